//! How much a client is told when the gateway refuses what it asks, or sends it away.

use crate::gateway::Gateway;
use mqtt::{Connect, ReasonCode, Version};

/// How much one client is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candour {
    version: Version,
    /// Whether its CONNECT asks for problem information in so many words.
    asks: bool,
    reveal_denials: bool,
}

impl Candour {
    pub(super) fn of(gateway: &Gateway, connect: &Connect) -> Self {
        Self {
            version: connect.version,
            asks: connect.properties.request_problem_information() == Some(true),
            reveal_denials: gateway.settings.raw.access.reveal_denials,
        }
    }

    /// The version that the client speaks.
    pub(super) fn version(self) -> Version {
        self.version
    }

    /// The reason code and reason string to answer with. When denials are not revealed it is 0x80, the standard's way to say that the
    /// server does not wish to say why (section 3.9.3 of MQTT 5 among others); other reasons stay. MQTT 3.1.1 has nothing of the kind
    /// beside its SUBACK, which knows no other failure.
    pub(super) fn reveal(self, reason: ReasonCode, told: &str) -> (ReasonCode, &str) {
        let is_hidden = !self.reveal_denials && reason == ReasonCode::NotAuthorized;
        if is_hidden && self.version == Version::V5 {
            (ReasonCode::UnspecifiedError, "")
        } else {
            (reason, told)
        }
    }

    /// What a client that broke the protocol is told beside the code. It is an affair between its author and our log; the code alone is
    /// what brokers send, unless the client asks for more.
    pub(super) fn explain(self, breach: &str) -> &str {
        if self.asks { breach } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_hidden_where_there_is_a_code_for_that() {
        let towards = |version, reveal_denials| Candour { version, asks: true, reveal_denials };
        let denied = |candour: Candour| candour.reveal(ReasonCode::NotAuthorized, "why");
        assert_eq!(denied(towards(Version::V5, true)), (ReasonCode::NotAuthorized, "why"));
        assert_eq!(denied(towards(Version::V5, false)), (ReasonCode::UnspecifiedError, ""));
        assert_eq!(denied(towards(Version::V3_1_1, false)), (ReasonCode::NotAuthorized, "why"));
        let full = towards(Version::V5, false).reveal(ReasonCode::QuotaExceeded, "why");
        assert_eq!(full, (ReasonCode::QuotaExceeded, "why"));
    }

    #[test]
    fn a_breach_is_explained_to_who_asks() {
        let asking = Candour { version: Version::V5, asks: true, reveal_denials: false };
        assert_eq!(asking.explain("why"), "why");
        assert_eq!(Candour { asks: false, ..asking }.explain("why"), "");
    }
}
