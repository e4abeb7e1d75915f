//! Who presents a token: asked of the API server, which alone can know.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo};
use kube::api::{Api, PostParams};
use tidegate_proto::identity::{AUDIENCE, NodeName};

use crate::secrets;

/// Service account of the gateways.
const ACCOUNT: &str = "tidegate-dataplane";
const NODE: &str = "authentication.kubernetes.io/node-name";
const POD: &str = "authentication.kubernetes.io/pod-name";
/// For one answer of the API server.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longer ones are not the API server's.
const MAX_TOKEN: usize = 16 * 1024;

/// A bearer token; never shown.
pub struct Token(String);

/// A gateway, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The node of its pod; none: the token is bound to no pod.
    pub node: Option<NodeName>,
    /// Its pod.
    pub pod: Option<String>,
}

/// Why a token is not that of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// There is none.
    #[error("the request needs a header \"authorization: Bearer TOKEN\"")]
    NoToken,
    /// The API server does not know it.
    #[error("the token is not valid for the audience \"{AUDIENCE}\": {0}")]
    Refused(String),
    /// Somebody else's.
    #[error("the token is that of {presented}, and gateways run as {expected}")]
    Account {
        /// Whose it is.
        presented: String,
        /// Whose it should be.
        expected: String,
    },
    /// A name that no certificate can carry.
    #[error("the token names the node {0:?}, which is no name of a node")]
    Node(String),
    /// The API server was not asked.
    #[error("the API server cannot review tokens now")]
    Unavailable(String),
}

/// Reviews tokens.
#[derive(Clone)]
pub struct Reviewer {
    api: Api<TokenReview>,
    account: String,
}

impl Token {
    /// The token of an `authorization` header.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_header(value: Option<&str>) -> Result<Self, ReviewError> {
        let token = value.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| is_bearer(scheme));
        let token = token.map(|(_, token)| token.trim()).filter(|t| (1..=MAX_TOKEN).contains(&t.len()));
        token.map(|t| Self(t.to_owned())).ok_or(ReviewError::NoToken)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

fn is_bearer(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("bearer")
}

impl Reviewer {
    /// For gateways that run in `namespace`.
    pub fn new(client: kube::Client, namespace: &str) -> Self {
        Self { api: Api::all(client), account: format!("system:serviceaccount:{namespace}:{ACCOUNT}") }
    }

    /// Asks whose token it is.
    ///
    /// # Errors
    /// When it is not that of a gateway, or nobody can say.
    pub async fn review(&self, token: &Token) -> Result<Gateway, ReviewError> {
        let spec = TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token: token.0.clone() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let params = PostParams::default();
        let reviewed = self.api.create(&params, &review);
        let status = match tokio::time::timeout(ANSWER_WITHIN, reviewed).await {
            Ok(Ok(review)) => review.status.unwrap_or_default(),
            Ok(Err(error)) => return Err(ReviewError::Unavailable(secrets::reason(&error))),
            Err(_) => return Err(ReviewError::Unavailable("no answer in time".to_owned())),
        };
        gateway(status, &self.account)
    }
}

/// What a review says of the gateway whose service account is `account`.
fn gateway(status: TokenReviewStatus, account: &str) -> Result<Gateway, ReviewError> {
    if status.authenticated != Some(true) {
        let reason = status.error.unwrap_or_else(|| "it is unknown or has expired".to_owned());
        return Err(ReviewError::Refused(reason));
    }
    // A server that knows no audiences says so by naming none.
    if !status.audiences.iter().flatten().any(|audience| audience == AUDIENCE) {
        return Err(ReviewError::Refused("the API server knows no audiences".to_owned()));
    }
    let user = status.user.unwrap_or_default();
    if user.username.as_deref() != Some(account) {
        let presented = user.username.unwrap_or_else(|| "nobody".to_owned());
        return Err(ReviewError::Account { presented, expected: account.to_owned() });
    }
    let node = match extra(&user, NODE) {
        Some(name) => Some(name.parse().map_err(|_| ReviewError::Node(name.to_owned()))?),
        None => None,
    };
    Ok(Gateway { node, pod: extra(&user, POD).map(str::to_owned) })
}

fn extra<'a>(user: &'a UserInfo, key: &str) -> Option<&'a str> {
    user.extra.as_ref()?.get(key)?.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "system:serviceaccount:tidegate:tidegate-dataplane";

    fn status(user: &str, audiences: &[&str], extra: &[(&str, &str)]) -> TokenReviewStatus {
        let extra = extra.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()]));
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(audiences.iter().map(ToString::to_string).collect()),
            error: None,
            user: Some(UserInfo {
                username: Some(user.to_owned()),
                extra: Some(extra.collect()),
                ..UserInfo::default()
            }),
        }
    }

    #[test]
    fn a_gateway_is_its_account_and_its_pod() {
        let bound = status(US, &[AUDIENCE], &[(NODE, "node-1"), (POD, "gw-x")]);
        let expected = Gateway { node: "node-1".parse().ok(), pod: Some("gw-x".into()) };
        assert_eq!(gateway(bound, US), Ok(expected));
        let unbound = Gateway { node: None, pod: None };
        assert_eq!(gateway(status(US, &[AUDIENCE], &[]), US), Ok(unbound));
    }

    #[test]
    fn nobody_else_is_one() {
        let check = |status: TokenReviewStatus, expected: &str| {
            assert_eq!(gateway(status, US).unwrap_err().to_string(), expected);
        };
        let refused = "the token is not valid for the audience \"tidegate-controlplane\": ";
        check(TokenReviewStatus::default(), &format!("{refused}it is unknown or has expired"));
        let failed = TokenReviewStatus {
            authenticated: Some(false),
            error: Some("[invalid bearer token]".into()),
            ..status(US, &[AUDIENCE], &[])
        };
        check(failed, &format!("{refused}[invalid bearer token]"));
        check(status(US, &[], &[]), &format!("{refused}the API server knows no audiences"));
        check(status(US, &["api"], &[]), &format!("{refused}the API server knows no audiences"));
        check(
            status("system:serviceaccount:default:x", &[AUDIENCE], &[]),
            &format!("the token is that of system:serviceaccount:default:x, and gateways run as {US}"),
        );
        check(
            status(US, &[AUDIENCE], &[(NODE, "a/b")]),
            "the token names the node \"a/b\", which is no name of a node",
        );
    }

    #[test]
    fn a_token_is_what_follows_bearer_and_is_never_shown() {
        for value in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc"), Some("abc")] {
            assert_eq!(Token::from_header(value).err(), Some(ReviewError::NoToken), "{value:?}");
        }
        let token = Token::from_header(Some("bearer hush")).unwrap();
        assert_eq!((token.0.as_str(), format!("{token:?}").as_str()), ("hush", "Token(redacted)"));
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN + 1));
        assert_eq!(Token::from_header(Some(&long)).err(), Some(ReviewError::NoToken));
    }
}
