//! A connected client as every step of the flow sees it: its identity, and the names that logs and rules ask for again and again.

mod kept;
mod owner;
mod settling;

use crate::connection::Bell;
use crate::lifecycle::Presence;
use access::{Identity, Principal};
use broker::Attachment;
use rustls::pki_types::CertificateDer;
use settling::Settling;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Cloning is cheap: the broker keeps one for each connection.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    identity: Identity,
    client_id: Arc<str>,
    fingerprint: String,
    source_ip: String,
    peer: SocketAddr,
    /// The chain that it showed; empty without TLS.
    certificates: Arc<[CertificateDer<'static>]>,
    /// The thing that its session belongs to.
    owning_thing: Option<String>,
    presence: Presence,
    cut: AtomicBool,
    settling: Settling,
}

impl Client {
    /// The client that `principal`, which showed `certificates`, is under this client id.
    pub(crate) fn new(
        principal: &Principal,
        client_id: &str,
        peer: SocketAddr,
        certificates: Arc<[CertificateDer<'static>]>,
        presence: Presence,
    ) -> Self {
        let identity = Identity::new(principal, client_id, peer.ip());
        let fingerprint = principal.certificate.fingerprint.to_string();
        let source_ip = identity.source_ip().to_string();
        Self(Arc::new(Facts {
            identity,
            client_id: client_id.into(),
            fingerprint,
            source_ip,
            peer,
            certificates,
            owning_thing: owner::thing_of(principal, client_id),
            presence,
            cut: AtomicBool::new(false),
            settling: Settling::default(),
        }))
    }

    /// Takes everything from it that it may do. For good: nothing gives it back to this connection.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        let (certificate, user) =
            (Arc::clone(self.0.identity.certificate()), self.0.identity.user().cloned());
        let nothing = Principal { certificate, user, things: Arc::from([]), policies: Arc::from([]) };
        self.0.identity.refresh(&nothing);
    }

    /// Whether it was cut off.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    /// Everything that this connection took has its outcome, and it takes nothing more.
    pub(crate) fn settle(&self) {
        self.0.settling.end();
    }

    /// Whether that was said of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.settling.is_over()
    }

    /// Rings for the connection that took its session over, when that is said of it.
    pub(crate) fn ring_when_settled(&self, bell: &Arc<Bell>) {
        self.0.settling.ring_at_end(bell);
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The client id, to be shared by messages.
    pub(crate) fn shared_client_id(&self) -> &Arc<str> {
        &self.0.client_id
    }

    /// SHA-256 of the certificate, hex: what AWS IoT calls the certificate id.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// The user it authenticated as, if it did.
    pub(crate) fn user_name(&self) -> Option<&str> {
        self.0.identity.user().map(|user| user.name.as_str())
    }

    /// Who it is in rules and events: its certificate, or without one its user.
    pub(crate) fn principal_name(&self) -> &str {
        let user = self.user_name().filter(|_| self.0.identity.certificate().is_absent());
        user.unwrap_or(&self.0.fingerprint)
    }

    /// What lifecycle events call the credential.
    pub(crate) fn principal_identifier(&self) -> &str {
        let is_anonymous = self.0.identity.certificate().is_absent() && self.user_name().is_none();
        if is_anonymous { "anonymous" } else { self.principal_name() }
    }

    /// What was said of this connection in lifecycle events.
    pub(crate) fn presence(&self) -> &Presence {
        &self.0.presence
    }

    /// Where the connection comes from.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// The chain of certificates that it showed, its own first; empty on a plain listener.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0.certificates
    }

    pub(crate) fn source_ip(&self) -> &str {
        &self.0.source_ip
    }

    /// The thing this connection speaks for, if it has one.
    pub(crate) fn thing_name(&self) -> Option<String> {
        self.0.identity.thing().map(|thing| thing.name.clone())
    }
}

impl Attachment for Client {
    fn may_receive(&self, topic: &str) -> bool {
        self.0.identity.receive(topic).is_allowed()
    }

    fn owner(&self) -> Arc<str> {
        self.session_owner().into()
    }

    fn owns(&self, owner: &str) -> bool {
        self.owns_session_of(owner)
    }

    fn persisted(&self) -> Arc<str> {
        self.kept().into()
    }
}
