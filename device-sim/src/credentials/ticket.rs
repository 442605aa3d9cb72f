//! What one device remembers of its last session.
//!
//! A device talks to one server, so that there is one place for a session of each version of TLS, and nothing to look
//! up. A server hands out tickets anew with every connection; the last one is the one kept.

use parking_lot::Mutex;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

#[derive(Debug, Default)]
pub(super) struct Ticket(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    group: Option<NamedGroup>,
    /// On the heap, because most devices have neither or one.
    older: Option<Box<Tls12ClientSessionValue>>,
    newer: Option<Box<Tls13ClientSessionValue>>,
}

impl ClientSessionStore for Ticket {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.lock().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.lock().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.lock().older = Some(Box::new(value));
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.lock().older.as_deref().cloned()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.lock().older = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.lock().newer = Some(Box::new(value));
    }

    /// A ticket of TLS 1.3 is used once.
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().newer.take().map(|value| *value)
    }
}
