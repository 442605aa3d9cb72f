//! Announcements of what changed.

use access::Fingerprint;
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};

/// Announcements that wait for a slow reader; one that falls further behind is told to look at everything.
const ANNOUNCEMENTS_WAITING_MAX: usize = 256;

/// Whose permissions may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// These certificates. Ask [`Registry::authenticate`](crate::Registry::authenticate) again for each that is connected:
    /// refused means cut off at once, accepted means refresh its identity.
    Certificates(Arc<[Fingerprint]>),
    /// These users. Ask [`Registry::authenticate_user`](crate::Registry::authenticate_user) again for each that is connected.
    Users(Arc<[String]>),
    /// Anybody: this reader fell behind. Every connection is to be asked about.
    All,
}

impl Affected {
    /// Whether the certificate is among them.
    pub fn contains(&self, certificate: &Fingerprint) -> bool {
        match self {
            Self::Certificates(certificates) => certificates.binary_search(certificate).is_ok(),
            Self::Users(_) => false,
            Self::All => true,
        }
    }
}

/// A reader of announcements.
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<Affected>,
}

impl Changes {
    /// The next change, in the order in which they were made; `None` once the registry is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Affected> {
        match self.receiver.recv().await {
            Ok(affected) => Some(affected),
            Err(RecvError::Lagged(_)) => Some(Affected::All),
            Err(RecvError::Closed) => None,
        }
    }
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Announcer {
    sender: broadcast::Sender<Affected>,
}

impl Announcer {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(ANNOUNCEMENTS_WAITING_MAX) }
    }

    pub(crate) fn subscribe(&self) -> Changes {
        Changes { receiver: self.sender.subscribe() }
    }

    /// Both are sorted.
    pub(crate) fn announce(&self, certificates: Arc<[Fingerprint]>, users: Arc<[String]>) {
        // Sending fails only when nobody listens, and then nobody needs to know.
        if !certificates.is_empty() {
            let _ = self.sender.send(Affected::Certificates(certificates));
        }
        if !users.is_empty() {
            let _ = self.sender.send(Affected::Users(users));
        }
    }
}
