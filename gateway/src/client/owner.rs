//! Whose a durable session is. Beside the policies, which say who may use a client id, because several may.
//!
//! It belongs to the thing, so that a device with a new certificate finds its session; and to the certificate or user that made it, so
//! that it stays where it is when things are attached or detached. Either of the two opens it.

use super::Client;
use access::Principal;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Owner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thing: Option<String>,
    principal: String,
}

/// The thing that sessions of the principal belong to under this client id: the one of that name, or the only one.
pub(super) fn thing_of(principal: &Principal, client_id: &str) -> Option<String> {
    let only = || principal.things.first().filter(|_| principal.things.len() == 1);
    principal.connected_thing(client_id).or_else(only).map(|thing| thing.name.clone())
}

impl Client {
    fn owning_principal(&self) -> String {
        let identity = self.identity();
        match identity.user() {
            Some(user) if identity.certificate().is_absent() => format!("user {}", user.name),
            None if identity.certificate().is_absent() => "anonymous".to_string(),
            _ => format!("certificate {}", self.fingerprint()),
        }
    }

    /// Whose this client's session is, as text for [`Client::owns_session_of`].
    pub(super) fn session_owner(&self) -> String {
        let owner = Owner { thing: self.0.owning_thing.clone(), principal: self.owning_principal() };
        serde_json::to_string(&owner).expect("it is plain data")
    }

    /// Whether a session of this owner is this client's.
    pub(super) fn owns_session_of(&self, owner: &str) -> bool {
        let Ok(owner) = serde_json::from_str::<Owner>(owner) else {
            tracing::error!(
                client_id = self.client_id(),
                owner,
                "the owner of a session can't be read, it is nobody's"
            );
            return false;
        };
        let is_same_thing = owner.thing.is_some() && owner.thing == self.0.owning_thing;
        is_same_thing || owner.principal == self.owning_principal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Presence;
    use access::{Certificate, Fingerprint, Thing, User};
    use std::sync::Arc;

    fn client(certificate: Option<u8>, user: Option<&str>, things: &[&str]) -> Client {
        let fingerprint =
            certificate.map_or(Certificate::absent().fingerprint, |byte| Fingerprint::from([byte; 32]));
        let thing = |name: &&str| Arc::new(Thing { name: (*name).to_owned(), ..Thing::default() });
        let principal = Principal {
            certificate: Arc::new(Certificate { fingerprint, ..Certificate::absent() }),
            user: user.map(|name| Arc::new(User { name: name.to_owned(), salt: [0; _] })),
            things: things.iter().map(thing).collect(),
            policies: Arc::from([]),
        };
        Client::new(&principal, "kiln", "192.0.2.7:1883".parse().unwrap(), Arc::from([]), Presence::past())
    }

    #[test]
    fn the_thing_or_the_credential_opens_a_session() {
        let own = client(Some(1), None, &["kiln"]);
        for (what, other, expected) in [
            ("the same", client(Some(1), None, &["kiln"]), true),
            ("a new certificate of the thing", client(Some(2), None, &["kiln"]), true),
            ("of the thing, which has others beside it", client(Some(2), None, &["oven", "kiln"]), true),
            ("the certificate, its thing detached", client(Some(1), None, &[]), true),
            ("the certificate, of another thing now", client(Some(1), None, &["oven"]), true),
            ("another certificate", client(Some(2), None, &[]), false),
            ("another thing", client(Some(2), None, &["oven"]), false),
            ("things of other names", client(Some(2), None, &["oven", "mill"]), false),
            ("a user", client(None, Some("kiln"), &[]), false),
            ("nobody", client(None, None, &[]), false),
        ] {
            assert_eq!(other.owns_session_of(&own.session_owner()), expected, "{what}");
        }
        let user = client(None, Some("anonymous"), &[]);
        assert!(client(None, Some("anonymous"), &[]).owns_session_of(&user.session_owner()));
        assert!(!client(None, None, &[]).owns_session_of(&user.session_owner()));
        assert!(!client(None, Some("operator"), &[]).owns_session_of(&user.session_owner()));
        assert!(client(None, None, &[]).owns_session_of(&client(None, None, &[]).session_owner()));
        assert!(!own.owns_session_of("what nobody wrote"));
    }
}
