//! The listener itself: what its owner holds, and what its tasks share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::current::{Current, Reloaded};
use crate::refusal_log::RefusalLog;
use crate::slots::Slots;
use crate::stats::{Counters, add_one};
use crate::waiting_room::Places;
use crate::{Accepted, BindError, LoadError, Refused, Security, Settings, Stats, accept_loop, bind, trust};

/// Finished connections that wait to be taken; more wait in their own tasks, which are limited too.
const ACCEPTED_WAITING_MAX: usize = 64;

/// A listening socket. Dropping it closes the socket and ends handshakes under way; connections that were accepted
/// live on.
#[derive(Debug)]
pub struct Listener {
    accepted: mpsc::Receiver<Accepted>,
    handle: Handle,
    _stop: DropGuard,
}

/// The task that accepts connections is gone; it can only have panicked, or its runtime is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the listener accepts no more connections, its runtime is shutting down")]
pub struct Closed;

impl Listener {
    /// Loads the TLS files, opens the socket and begins to accept. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `BindError` says which address or file is at fault and what to do.
    pub fn bind(settings: Settings) -> Result<Self, BindError> {
        let name = settings.name.clone();
        let (files, seen, current) = match &settings.security {
            Security::Plain => (Vec::new(), Vec::new(), None),
            Security::Tls(tls) => {
                let files = crate::watch::files_of(tls);
                let seen = crate::watch::stamps(&files);
                let loaded = Current::load(tls).map_err(|source| BindError::Tls { name, source })?;
                (files, seen, Some(ArcSwap::from_pointee(loaded)))
            }
        };
        let socket = bind::open(&settings)?;
        let local = socket.local_addr().unwrap_or(settings.address);
        let shared = Arc::new(Shared {
            local,
            current,
            counters: Counters::default(),
            slots: Slots::new(&settings.limits),
            places: Places::new(settings.limits.handshakes_max),
            reloading: Mutex::new(()),
            trust_generation: watch::Sender::new(0),
            refusals: RefusalLog::new(settings.name.clone()),
            settings,
        });
        let stop = CancellationToken::new();
        let (sender, accepted) = mpsc::channel(ACCEPTED_WAITING_MAX);
        let handle = Handle { shared: Arc::clone(&shared) };
        if let Security::Tls(tls) = &shared.settings.security
            && let Some(interval) = tls.watch_interval
        {
            tokio::spawn(crate::watch::run(handle.clone(), files, seen, interval, stop.clone()));
        }
        tokio::spawn(accept_loop::run(shared, socket, sender, stop.clone()));
        Ok(Self { accepted, handle, _stop: stop.drop_guard() })
    }

    /// The next connection whose handshake is done. Cancel safe.
    ///
    /// # Errors
    /// `Closed` when the runtime shuts down.
    pub async fn accept(&mut self) -> Result<Accepted, Closed> {
        loop {
            let accepted = self.accepted.recv().await.ok_or(Closed)?;
            match self.handle.shared.check_waited(&accepted) {
                Ok(()) => return Ok(accepted),
                Err(refused) => self.handle.shared.refuse(accepted.peer, &refused),
            }
        }
    }

    /// A handle for other tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The address it listens on, with the port the system chose.
    pub fn local_address(&self) -> SocketAddr {
        self.handle.local_address()
    }

    /// As `Handle::reload`.
    ///
    /// # Errors
    /// As `Handle::reload`.
    pub fn reload(&self) -> Result<Reloaded, LoadError> {
        self.handle.reload()
    }

    /// As `Handle::stats`.
    pub fn stats(&self) -> Stats {
        self.handle.stats()
    }
}

/// Controls a listener from other tasks; does not keep it open.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// Its name in logs and metrics.
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// Whether the listener speaks TLS; one that does not has no certificates to check.
    pub fn is_tls(&self) -> bool {
        self.shared.current.is_some()
    }

    /// The address it listens on.
    pub fn local_address(&self) -> SocketAddr {
        self.shared.local
    }

    /// Reads the TLS files again and uses what they hold from the next handshake on; open connections are not
    /// touched. Reads files, so call it where blocking is allowed. On a plain listener nothing happens.
    ///
    /// # Errors
    /// Says which file is bad and why; everything goes on as before.
    pub fn reload(&self) -> Result<Reloaded, LoadError> {
        let shared = &self.shared;
        let (Security::Tls(tls), Some(current)) = (&shared.settings.security, &shared.current) else {
            return Ok(Reloaded::default());
        };
        // One after the other, or the older of two loads could be the one that stays. It guards no data.
        let _one_at_a_time = shared.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = shared.settings.name.as_str();
        let (next, reloaded) = current.load().reload(tls).inspect_err(|error| {
            add_one(&shared.counters.reloads_failed);
            tracing::error!(listener, %error, "TLS files can't be used, the old ones stay in use");
        })?;
        if reloaded.anything() {
            current.store(Arc::new(next));
            add_one(&shared.counters.reloads);
            tracing::info!(
                listener,
                identity_changed = reloaded.identity_changed,
                trust_changed = reloaded.trust_changed,
                "TLS files reloaded"
            );
        }
        if reloaded.trust_changed {
            shared.trust_generation.send_modify(|generation| *generation += 1);
        }
        Ok(reloaded)
    }

    /// Checks a certificate chain as a handshake now would: authority, validity, revocation. For connections that
    /// were accepted before the trust changed.
    ///
    /// # Errors
    /// Why a client that shows it would be refused.
    pub fn check(&self, certificates: &[CertificateDer<'_>]) -> Result<(), Refused> {
        let current = self.shared.current.as_ref().ok_or_else(trust::not_tls_here)?;
        current.load().trust.check(certificates)
    }

    /// Changes each time authorities or revocation lists have changed. Add a connection to your list first and then
    /// compare with its `Accepted::trust_generation`, or a change in between is missed.
    pub fn trust_changes(&self) -> watch::Receiver<u64> {
        self.shared.trust_generation.subscribe()
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read(self.shared.slots.open())
    }
}

/// What the tasks of a listener share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) local: SocketAddr,
    /// `None` without TLS.
    pub(crate) current: Option<ArcSwap<Current>>,
    pub(crate) counters: Counters,
    pub(crate) slots: Arc<Slots>,
    pub(crate) places: Arc<Places>,
    reloading: Mutex<()>,
    trust_generation: watch::Sender<u64>,
    refusals: RefusalLog,
}

impl Shared {
    /// Counts the changes of authorities and revocation lists.
    pub(crate) fn trust_generation(&self) -> u64 {
        *self.trust_generation.borrow()
    }

    /// The files may have changed while a connection waited to be taken.
    fn check_waited(&self, accepted: &Accepted) -> Result<(), Refused> {
        if let Some(current) = &self.current
            && accepted.trust_generation != self.trust_generation()
        {
            current.load().trust.check(&accepted.certificates)?;
        }
        add_one(&self.counters.accepted);
        if accepted.resumed {
            add_one(&self.counters.resumed);
        }
        Ok(())
    }

    pub(crate) fn refuse(&self, peer: SocketAddr, refused: &Refused) {
        self.counters.refuse(refused.reason);
        if !self.refusals.write(peer, refused) {
            add_one(&self.counters.refusals_not_logged);
        }
    }
}
