//! Where the server keeps to the standard, and where it does as AWS IoT Core does instead.
//!
//! The numbers that differ are in [`crate::Limits`]; here is what is no number. Each question names what the standard says.

use mqtt::Version;

/// Whose ways the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compatibility {
    /// The standard's.
    #[default]
    Standard,
    /// Those that AWS IoT Core documents.
    Aws,
}

impl Compatibility {
    /// Whether `a/#` matches `a` too, as `[MQTT-4.7.1-2]` says.
    pub const fn parent_matches(self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Whether a subscription with a wildcard gets retained messages, as `[MQTT-3.3.1-9]` says.
    pub const fn wildcards_get_retained(self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Whether SUBSCRIBE may carry a subscription identifier. A server that does not serve them says so in its CONNACK (3.2.2.3.12).
    pub const fn has_subscription_identifiers(self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Whether a client is held to the limits of the keep alive although it can't be told: MQTT 3.1.1 holds it to what it asked for
    /// `[MQTT-3.1.2-24]`.
    pub const fn keep_alive_is_imposed(self) -> bool {
        matches!(self, Self::Aws)
    }

    /// Whether a SUBSCRIBE that asks for more than is served closes the connection instead of being answered in its SUBACK, which
    /// grants what there is `[MQTT-3.8.4-7]`.
    pub const fn subscribing_too_much_closes(self, version: Version) -> bool {
        matches!((self, version), (Self::Aws, Version::V3_1_1))
    }

    /// Whether a client identifier may begin with `$`, as any text may by the standard.
    pub const fn client_id_may_begin_with_dollar(self) -> bool {
        matches!(self, Self::Standard)
    }
}
