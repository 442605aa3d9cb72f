//! One live connection's identity: what the gateway attaches to it in the broker.

use crate::{
    Certificate, ConnectAttributes, Decision, Denied, Permissions, Permitted, Principal, Publication, Thing,
    User,
};
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::sync::Arc;

/// Who is connected and what it may do. Clones share one state, so a [`refresh`](Identity::refresh) reaches them all.
#[derive(Clone, Debug)]
pub struct Identity {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client_id: Box<str>,
    source_ip: IpAddr,
    certificate: Arc<Certificate>,
    user: Option<Arc<User>>,
    bound: ArcSwap<Bound>,
}

#[derive(Debug)]
struct Bound {
    thing: Option<Arc<Thing>>,
    permissions: Permissions,
}

impl Bound {
    fn new(principal: &Principal, client_id: &str, source_ip: IpAddr) -> Arc<Self> {
        let permissions = Permissions::bind(principal, client_id, source_ip);
        Arc::new(Self { thing: principal.connected_thing(client_id).cloned(), permissions })
    }
}

impl Identity {
    /// Binds the principal's policies to this connection.
    ///
    /// `client_id` is the one the connection goes by, assigned by the server if the client sent none.
    pub fn new(principal: &Principal, client_id: &str, source_ip: IpAddr) -> Self {
        // A dual-stack socket reports IPv4 peers in their mapped form, which no `aws:SourceIp` range is written in.
        let source_ip = source_ip.to_canonical();
        let bound = ArcSwap::new(Bound::new(principal, client_id, source_ip));
        let (certificate, user) = (Arc::clone(&principal.certificate), principal.user.clone());
        Self { inner: Arc::new(Inner { client_id: client_id.into(), source_ip, certificate, user, bound }) }
    }

    /// Replaces the permissions of this connection, and of every clone, by what the principal may do now.
    ///
    /// Takes effect with the next check. The principal must be that of the same certificate and the same user; a
    /// different one is ignored, because an identity never changes hands.
    pub fn refresh(&self, principal: &Principal) {
        let is_same_certificate = principal.certificate.fingerprint == self.inner.certificate.fingerprint;
        if is_same_certificate && principal.user == self.inner.user {
            self.inner.bound.store(Bound::new(principal, &self.inner.client_id, self.inner.source_ip));
        }
    }

    /// The client id of the connection.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// The peer's address.
    pub fn source_ip(&self) -> IpAddr {
        self.inner.source_ip
    }

    /// The certificate the peer proved to hold.
    pub fn certificate(&self) -> &Arc<Certificate> {
        &self.inner.certificate
    }

    /// The user that the peer proved to be, if it did.
    pub fn user(&self) -> Option<&Arc<User>> {
        self.inner.user.as_ref()
    }

    /// The thing of this connection: attached to the certificate and named like the client id.
    pub fn thing(&self) -> Option<Arc<Thing>> {
        self.inner.bound.load().thing.clone()
    }

    /// See [`Permissions::authorise_connect`].
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_connect(&self, attributes: ConnectAttributes<'_>) -> Result<(), Denied> {
        self.inner.bound.load().permissions.authorise_connect(attributes)
    }

    /// See [`Permissions::authorise_publish`].
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_publish<T: Publication>(&self, publication: T) -> Result<Permitted<T>, Denied> {
        self.inner.bound.load().permissions.authorise_publish(publication)
    }

    /// See [`Permissions::authorise_subscribe`].
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_subscribe(&self, filter: &str) -> Result<(), Denied> {
        self.inner.bound.load().permissions.authorise_subscribe(filter)
    }

    /// See [`Permissions::receive`]. Does not allocate.
    pub fn receive(&self, topic: &str) -> Decision {
        self.inner.bound.load().permissions.receive(topic)
    }

    /// See [`Permissions::authorise_receive`].
    ///
    /// # Errors
    /// When the policies do not allow it.
    pub fn authorise_receive(&self, topic: &str) -> Result<(), Denied> {
        self.inner.bound.load().permissions.authorise_receive(topic)
    }
}
