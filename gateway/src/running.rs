//! From settings to a running gateway, and from there to a clean end. Each step is one function; the order is the order of dependence.

use crate::attempts::Attempts;
use crate::client::Client;
use crate::command::check::open_definitions;
use crate::connect_rate::ConnectRate;
use crate::connections::Connections;
use crate::control::{self, Controlled};
use crate::flow;
use crate::flow::announce::Announcements;
use crate::flow::archive::ArchiveRoutes;
use crate::flow::deliver::Targets;
use crate::gateway::{Gateway, HTTP_PUBLISHES_MAX};
use crate::lifecycle::Versions;
use crate::limits::{broker_limits, bus_settings};
use crate::listeners::Bound;
use crate::metrics::Counters;
use crate::policies::PolicyFolder;
use crate::resends::Resends;
use crate::sessions::SessionStore;
use crate::settings::{RegisterUnknown, Settings};
use crate::{health, listeners, store};
use anyhow::Context;
use broker::Broker;
use bus::Bus;
use journal::Clock;
use journal::state::StateStore;
use mqtt::ReasonCode;
use registry::definitions::Definitions;
use registry::{Affected, Registry};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the definitions are looked at.
const DEFINITIONS_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often every connection is asked about, beside when something changes.
const RECHECK_INTERVAL: Duration = Duration::from_secs(30);
/// How often the state store is looked at.
const STATE_LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the start waits for the first values below `$SYS`.
const FIRST_VALUES_TIME_MAX: Duration = Duration::from_secs(1);
/// How long the targets may take to write what consumers did last.
const TARGETS_CLOSE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long requests under way may take to end at a shutdown.
const API_END_TIME_MAX: Duration = Duration::from_secs(5);

/// A gateway that runs.
pub(crate) struct Running {
    gateway: Arc<Gateway>,
    targets: Arc<Targets>,
    tasks: TaskTracker,
}

impl Running {
    /// Opens what is kept, makes the targets, restores sessions, and only then listens.
    ///
    /// # Errors
    /// The first thing that stands in the way, and what to do about it.
    pub(crate) async fn start(settings: Settings) -> anyhow::Result<Self> {
        let listeners = listeners::bind(&settings)?;
        let api = bind_api(&settings).await?;
        let (announcements, waiting) = flow::announce::queue();
        let (gateway, state) = tokio::task::block_in_place(|| open(settings, announcements))?;
        let targets = Arc::new(Targets::open(&gateway, &state).await?);
        flow::windows::open(&gateway, &state).await?;
        flow::republish::open(&gateway).await?;
        gateway.bus.begin_trimming();
        let running = Self { gateway, targets, tasks: TaskTracker::new() };
        running.tasks.spawn(flow::announce::run(Arc::clone(&running.gateway), waiting));
        running.tasks.spawn(flow::windows::emit(Arc::clone(&running.gateway)));
        let (told, first_values) = oneshot::channel();
        running.until_shutdown(crate::system::run(Arc::clone(&running.gateway), told));
        // Whoever connects finds them; a target that is behind holds up what rules make of them, but not the start.
        let _ = tokio::time::timeout(FIRST_VALUES_TIME_MAX, first_values).await;
        running.spawn(listeners, api)?;
        Ok(running)
    }

    /// Starts everything that goes on until the end.
    fn spawn(&self, listeners: Vec<Bound>, api: TcpListener) -> anyhow::Result<()> {
        let gateway = &self.gateway;
        gateway.listeners.write().extend(listeners.iter().map(|bound| bound.listener.handle()));
        for bound in listeners {
            let listener = bound.listener.handle();
            let (listener_name, address) = (listener.name(), listener.local_address());
            tracing::info!(listener = listener_name, %address, "listening for devices");
            self.tasks.spawn(follow_trust(Arc::clone(gateway), listener));
            self.tasks.spawn(flow::accept::accept(Arc::clone(gateway), bound));
        }
        self.tasks.spawn(flow::wills::watch_clock(Arc::clone(gateway)));
        self.until_shutdown(Arc::clone(&gateway.definitions).watch(DEFINITIONS_LOOK_INTERVAL));
        self.until_shutdown(follow_registry(Arc::clone(gateway)));
        self.until_shutdown(recheck_now_and_then(Arc::clone(gateway)));
        self.until_shutdown(watch_state(Arc::clone(gateway)));
        if let Some(folder) = &gateway.settings.raw.access.policies {
            self.until_shutdown(PolicyFolder::new(folder, Arc::clone(&gateway.registry)).watch());
        }
        tracing::info!(address = %api.local_addr()?, "listening for the API");
        let router = crate::aws::protocols(&gateway.settings, &self.targets)
            .merge(health::router(Arc::clone(gateway)))
            .merge(crate::trial::of_everybody_here(gateway, api.local_addr()?));
        self.tasks.spawn(crate::http::serve(api, router, gateway.ended.clone()));
        let socket = crate::command::control_client::socket_path(&gateway.settings.raw.data_directory);
        let controlled = Controlled { gateway: Arc::clone(gateway), targets: Arc::clone(&self.targets) };
        self.tasks.spawn(async move {
            if let Err(error) = control::serve(&socket, controlled).await {
                tracing::error!(%error, socket = %socket.display(), "the control socket can't be served");
            }
        });
        Ok(())
    }

    fn until_shutdown(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.gateway.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Reads certificates and definitions again, now.
    pub(crate) async fn reload(&self) {
        let gateway = Arc::clone(&self.gateway);
        let reloaded = tokio::task::spawn_blocking(move || {
            for listener in gateway.listeners.read().iter() {
                if let Err(error) = listener.reload() {
                    tracing::error!(%error, "certificates can't be read again; the old ones stay in use");
                }
            }
            gateway.definitions.reload_now();
        });
        if reloaded.await.is_err() {
            tracing::error!("the reload did not end");
        }
    }

    /// Returns when only a new start can mend what is wrong.
    pub(crate) async fn ruined(&self) {
        self.gateway.ruined.cancelled().await;
    }

    /// Takes no more work, finishes what is under way in a bounded time, and closes what is open.
    pub(crate) async fn stop(self) {
        let Self { gateway, targets, tasks } = self;
        let time_max = Duration::from_secs(gateway.settings.raw.shutdown.drain_secs_max);
        let deadline = Instant::now() + time_max;
        tracing::info!(drain_secs_max = time_max.as_secs(), "shutting down");
        gateway.shutdown.cancel();
        gateway.state.end_waits();
        gateway.connections.close_all(ReasonCode::ServerShuttingDown);
        gateway.connection_tasks.close();
        if tokio::time::timeout_at(deadline, gateway.connection_tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = gateway.connection_tasks.len(),
                "some connections did not end in time"
            );
        }
        targets.queues.end_waits();
        gateway.ended.cancel();
        tasks.close();
        // A client of the API that does not let go must not hold the end.
        let api_deadline = deadline.min(Instant::now() + API_END_TIME_MAX);
        let _ = tokio::time::timeout_at(api_deadline, tasks.wait()).await;
        if tokio::time::timeout(TARGETS_CLOSE_TIME_MAX, targets.close()).await.is_err() {
            tracing::error!("the queues did not close in time; what consumers did last may be done again");
        }
        if let Err(error) = gateway.bus.drain(deadline.saturating_duration_since(Instant::now())).await {
            tracing::error!(%error, "cursors could not be kept; events are delivered again after the next start");
        }
        let closing = Arc::clone(&gateway);
        let closed = tokio::task::spawn_blocking(move || {
            flow::windows::close(&closing);
            closing.sessions.close();
            closing.journal.close();
        });
        if closed.await.is_err() {
            tracing::error!("the stores could not be closed cleanly; they are recovered at the next start");
        }
        tracing::info!("ended");
    }
}

async fn bind_api(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = settings.raw.api.address;
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; end the other program, or set `api.address`",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege, set `api.address`",
            std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address, set `api.address`",
            _ => "",
        };
        anyhow::anyhow!("the API can't listen on {address}: {error}{advice}")
    })
}

/// Opens everything that is kept. Blocks.
pub(crate) fn open(
    settings: Settings,
    announcements: Announcements,
) -> anyhow::Result<(Arc<Gateway>, StateStore)> {
    let state = store::open_state(&settings)?;
    let journal = store::open_journal(&settings, &state)?;
    let clock = Clock::system();
    let registry = open_registry(&settings, &state)?;
    let definitions = definitions(&settings)?;
    let bus = Bus::open(journal.clone(), &state, bus_settings(&settings)?)?;
    let broker: Broker<Client> = Broker::recording(broker_limits(&settings), rand::random());
    let floor = bus.register_floor("sessions", journal.oldest());
    let sessions = SessionStore::open(&state, &journal, floor, &broker, clock.now_ms())?;
    let archive_routes = ArchiveRoutes::of(&settings)?;
    let gateway = Gateway {
        connect_rate: ConnectRate::new(settings.raw.mqtt.connects_per_client_per_sec_max, clock.now_ms()),
        resends: Resends::recalled(&journal, clock.now_ms())?,
        attempts: Attempts::default(),
        password_checks: Arc::new(Semaphore::new(password_checks_max())),
        settings,
        clock,
        broker,
        registry,
        definitions,
        journal,
        bus,
        state: state.clone(),
        sessions,
        connections: Connections::default(),
        counters: Counters::default(),
        traces: Arc::default(),
        traffic: Arc::default(),
        announcements,
        versions: Versions::default(),
        listeners: parking_lot::RwLock::default(),
        functions: flow::outside::Functions::default(),
        http_publishes: Arc::new(Semaphore::new(HTTP_PUBLISHES_MAX)),
        archive_routes,
        archives: OnceLock::new(),
        windows: OnceLock::new(),
        shutdown: CancellationToken::new(),
        ruined: CancellationToken::new(),
        ended: CancellationToken::new(),
        connection_tasks: TaskTracker::new(),
    };
    Ok((Arc::new(gateway), state))
}

/// Passwords hashed at once: half of the processors stay for everybody else, whatever arrives.
fn password_checks_max() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1))
}

fn open_registry(settings: &Settings, state: &StateStore) -> anyhow::Result<Arc<Registry>> {
    let raw = &settings.raw.access;
    let register_unknown = match (raw.register_unknown, &raw.default_policy) {
        (RegisterUnknown::FromTrustedAuthority, Some(policy)) => {
            registry::RegisterUnknown::FromTrustedAuthority { default_policy: policy.clone() }
        }
        _ => registry::RegisterUnknown::Never,
    };
    let registry = Registry::open(
        state,
        registry::Settings {
            register_unknown,
            password_iterations: raw.password_iterations,
            ..registry::Settings::default()
        },
    )?;
    if let Some(folder) = &raw.policies {
        crate::policies::read_folder(folder)?;
        PolicyFolder::new(folder, Arc::clone(&registry)).look();
    }
    let named = [&raw.default_policy, &settings.raw.listener.plain_policy];
    for policy in named.into_iter().flatten() {
        if registry.policy(policy).is_none() {
            tracing::error!(
                policy,
                "the settings name a policy that does not exist; clients that need it are refused until it does"
            );
        }
    }
    Ok(registry)
}

/// Without a folder in the settings, an empty one in the data directory.
fn definitions(settings: &Settings) -> anyhow::Result<Arc<Definitions>> {
    let folder = match &settings.raw.rules.definitions {
        Some(folder) => folder.clone(),
        None => {
            let folder = settings.raw.data_directory.join("rules");
            store::make_directory(&folder)?;
            folder
        }
    };
    open_definitions(settings, &folder)
        .map_err(|fault| anyhow::anyhow!("{fault}"))
        .context("rule definitions")
}

/// A store in which a write failed takes nothing more until it is opened again, so the process has to end, and whoever supervises it starts it
/// again; but not before the disk has room, for without it there is no start.
async fn watch_state(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(STATE_LOOK_INTERVAL).await;
        if gateway.state.has_failed() && gateway.state.has_room() {
            tracing::error!(
                "the state store takes no more changes since a write failed; the gateway ends, start it again"
            );
            gateway.ruined.cancel();
            return;
        }
    }
}

/// Cuts off whoever may not connect any more, and tells the others what they may do now.
async fn follow_registry(gateway: Arc<Gateway>) {
    let mut changes = gateway.registry.changes();
    while let Some(affected) = changes.next().await {
        recheck(&gateway, &affected);
    }
}

/// Some things end without anybody announcing it: the validity of a certificate, the policy of clients without one.
async fn recheck_now_and_then(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(RECHECK_INTERVAL).await;
        for open in gateway.connections.all() {
            open.recheck(&gateway);
            tokio::task::yield_now().await;
        }
    }
}

fn recheck(gateway: &Gateway, affected: &Affected) {
    for open in gateway.connections.affected(affected) {
        open.recheck(gateway);
    }
}

/// Cuts off whoever shows a certificate that the authorities and revocation lists of now refuse.
async fn follow_trust(gateway: Arc<Gateway>, listener: listener::Handle) {
    let mut changes = listener.trust_changes();
    loop {
        tokio::select! {
            () = gateway.shutdown.cancelled() => return,
            changed = changes.changed() => if changed.is_err() {
                return;
            },
        }
        for open in gateway.connections.all() {
            open.check_trust(&listener);
        }
    }
}
