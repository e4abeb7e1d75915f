//! Names of nodes in certificates: what both planes must write and read alike.

use std::fmt;
use std::str::FromStr;

/// Audience of the service account tokens with which nodes ask for certificates.
pub const AUDIENCE: &str = "tidegate-controlplane";

const URI: &str = "spiffe://tidegate/node/";
const MAX_NAME: usize = 253;

/// Name of a node that a certificate can carry: a DNS name in lower case, as Kubernetes gives to nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

/// A text that is no name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "node name {0:?} must be 1 to {MAX_NAME} characters of a-z, 0-9, '-' and '.', with a letter or digit at both ends"
)]
pub struct NodeNameError(String);

impl NodeName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI that stands for it in a certificate.
    pub fn uri(&self) -> String {
        format!("{URI}{}", self.0)
    }

    /// The node that a certificate's URI names; none when it names something else.
    pub fn from_uri(uri: &str) -> Option<Self> {
        uri.strip_prefix(URI)?.parse().ok()
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends = bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
        let within = bytes.iter().all(|b| alphanumeric(b) || b"-.".contains(b));
        if ends && within && bytes.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(NodeNameError(text.chars().take(MAX_NAME).collect()))
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_into_a_uri_and_comes_back() {
        for name in ["a", "node-1", "ip-10-0-0-1.eu-west-1.compute.internal", &"n".repeat(253)] {
            let node: NodeName = name.parse().expect(name);
            assert_eq!(NodeName::from_uri(&node.uri()), Some(node));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "-a", "a.", "A", "a/b", "a b", "a%2fb", "ä", &"n".repeat(254)] {
            assert!(text.parse::<NodeName>().is_err(), "{text}");
            assert_eq!(NodeName::from_uri(&format!("{URI}{text}")), None, "{text}");
        }
        for uri in ["spiffe://tidegate/pod/a", "spiffe://other/node/a", "spiffe://tidegate/node", "a"] {
            assert_eq!(NodeName::from_uri(uri), None, "{uri}");
        }
    }
}
