//! Revisions of MCP that this gateway speaks with sessions ("legacy", spec 3.6).

/// A legacy revision. The order is that of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: the `MCP-Protocol-Version` header, no batches.
    V2025_06_18,
    /// 2025-11-25: polling, URL elicitation.
    V2025_11_25,
}

impl ProtocolVersion {
    /// The newest legacy revision: what a client is offered that asks for an unknown one.
    pub const LATEST: Self = Self::V2025_11_25;

    /// Every revision, oldest first.
    pub const ALL: [Self; 4] = [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];

    /// The revision that `text` names.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str().as_bytes() == text)
    }

    /// As in `protocolVersion` and `MCP-Protocol-Version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// What `initialize` answers: the client's own revision when supported, else [`Self::LATEST`].
    pub fn negotiate(requested: &[u8]) -> Self {
        Self::parse(requested).unwrap_or(Self::LATEST)
    }

    /// The number that stands for it in a session token; never reused.
    pub(crate) fn to_wire(self) -> u8 {
        match self {
            Self::V2024_11_05 => 1,
            Self::V2025_03_26 => 2,
            Self::V2025_06_18 => 3,
            Self::V2025_11_25 => 4,
        }
    }

    /// Inverse of [`Self::to_wire`].
    pub(crate) fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.to_wire() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_lead_back_to_the_revision() {
        for v in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(v.as_str().as_bytes()), Some(v));
            assert_eq!(ProtocolVersion::from_wire(v.to_wire()), Some(v));
        }
        assert_eq!(ProtocolVersion::from_wire(0), None);
        assert!(ProtocolVersion::ALL.is_sorted());
        assert_eq!(ProtocolVersion::ALL.last(), Some(&ProtocolVersion::LATEST));
    }

    #[test]
    fn a_client_keeps_a_known_revision_and_is_offered_the_latest_otherwise() {
        let check = |asked: &str, answer: &str| {
            assert_eq!(ProtocolVersion::negotiate(asked.as_bytes()).as_str(), answer, "{asked:?}");
        };
        check("2024-11-05", "2024-11-05");
        check("2025-06-18", "2025-06-18");
        check("2026-07-28", "2025-11-25");
        check("2025-11-25 ", "2025-11-25");
        check("", "2025-11-25");
        check("1.0", "2025-11-25");
    }
}
