//! The connections that are open, so that one can be cut off or told of new permissions at once.

use crate::client::Client;
use crate::gateway::Gateway;
use access::Fingerprint;
use broker::Session;
use dashmap::DashMap;
use mqtt::{ReasonCode, Version};
use registry::Affected;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

/// One open connection.
pub(crate) struct Open {
    number: u64,
    pub(crate) client: Client,
    pub(crate) session: Session<Client>,
}

impl Open {
    /// Asks the registry again: cut off if it may not connect any more, otherwise told what it may do now.
    pub(crate) fn recheck(&self, gateway: &Gateway) {
        match gateway.still_admitted(&self.client) {
            Ok(()) => self.session.recheck_permits(),
            Err(_) if self.client.is_cut() => {}
            Err(reason) => self.cut(&reason),
        }
    }

    /// Asks the listener again, after authorities or revocation lists changed.
    pub(crate) fn check_trust(&self, listener: &listener::Handle) {
        if self.client.is_cut() {
            return;
        }
        if let Err(refused) = trusted(&self.client, listener) {
            self.cut(&refused);
        }
    }

    fn cut(&self, reason: &(impl std::fmt::Display + ?Sized)) {
        tracing::warn!(
            client_id = self.client.client_id(),
            certificate = self.client.fingerprint(),
            %reason,
            "connection cut off"
        );
        self.client.cut();
        self.session.close(ReasonCode::NotAuthorized);
    }
}

/// Whether a listener trusts the certificates of a client now, as far as that can be asked of it.
///
/// # Errors
/// Why it does not.
pub(crate) fn trusted(client: &Client, listener: &listener::Handle) -> Result<(), listener::Refused> {
    if client.certificates().is_empty() || !listener.is_tls() {
        return Ok(());
    }
    listener.check(client.certificates())
}

/// Every open connection, by certificate and by user; each may have several.
#[derive(Default)]
pub(crate) struct Connections {
    by_certificate: DashMap<Fingerprint, HashMap<u64, Arc<Open>>>,
    /// Those that authenticated as a user; they are among the others as well.
    by_user: DashMap<String, HashMap<u64, Arc<Open>>>,
    next_number: AtomicU64,
    /// Of MQTT 3.1.1 and of MQTT 5.
    by_version: [AtomicU64; 2],
    most: AtomicU64,
    are_closing: AtomicBool,
}

impl Connections {
    /// Adds a connection; it is there until the returned entry is given back to [`Connections::remove`].
    pub(crate) fn add(&self, client: Client, session: Session<Client>) -> Arc<Open> {
        let number = self.next_number.fetch_add(1, Relaxed);
        self.of_version(session.version()).fetch_add(1, Relaxed);
        let now = self.by_version.iter().map(|count| count.load(Relaxed)).sum();
        self.most.fetch_max(now, Relaxed);
        let open = Arc::new(Open { number, client, session });
        let fingerprint = open.client.identity().certificate().fingerprint;
        self.by_certificate.entry(fingerprint).or_default().insert(number, Arc::clone(&open));
        if let Some(user) = open.client.user_name() {
            self.by_user.entry(user.to_owned()).or_default().insert(number, Arc::clone(&open));
        }
        open
    }

    /// Takes a connection out.
    pub(crate) fn remove(&self, open: &Arc<Open>) {
        self.of_version(open.session.version()).fetch_sub(1, Relaxed);
        let fingerprint = open.client.identity().certificate().fingerprint;
        take_out(&self.by_certificate, &fingerprint, open.number);
        if let Some(user) = open.client.user_name() {
            take_out(&self.by_user, user, open.number);
        }
    }

    fn of_version(&self, version: Version) -> &AtomicU64 {
        &self.by_version[usize::from(version == Version::V5)]
    }

    /// How many speak this version.
    pub(crate) fn count(&self, version: Version) -> u64 {
        self.of_version(version).load(Relaxed)
    }

    /// How many there were at once, at most.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }

    /// Whether every connection is asked to close. One look at memory that nobody writes: each connection asks at every turn.
    pub(crate) fn are_closing(&self) -> bool {
        self.are_closing.load(Acquire)
    }

    /// The connections whose certificates or users are affected.
    pub(crate) fn affected(&self, affected: &Affected) -> Vec<Arc<Open>> {
        match affected {
            Affected::Certificates(fingerprints) => of(&self.by_certificate, fingerprints),
            Affected::Users(names) => of(&self.by_user, names),
            Affected::All => self.all(),
        }
    }

    /// Every connection.
    pub(crate) fn all(&self) -> Vec<Arc<Open>> {
        self.by_certificate.iter().flat_map(|entry| entry.values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Asks each to close, with this reason. For good: whoever is added after this finds it in [`Connections::are_closing`].
    pub(crate) fn close_all(&self, reason: ReasonCode) {
        self.are_closing.store(true, Release);
        for open in self.all() {
            open.session.close(reason);
        }
    }
}

fn take_out<K, Q>(connections: &DashMap<K, HashMap<u64, Arc<Open>>>, key: &Q, number: u64)
where
    K: Eq + Hash + Borrow<Q>,
    Q: Eq + Hash + ?Sized,
{
    if let Some(mut all) = connections.get_mut(key) {
        all.remove(&number);
    }
    connections.remove_if(key, |_, all| all.is_empty());
}

fn of<K: Eq + Hash>(connections: &DashMap<K, HashMap<u64, Arc<Open>>>, keys: &[K]) -> Vec<Arc<Open>> {
    let found = keys.iter().filter_map(|key| connections.get(key));
    found.flat_map(|all| all.values().cloned().collect::<Vec<_>>()).collect()
}
