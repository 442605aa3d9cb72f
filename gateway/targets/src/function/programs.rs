//! Functions that are programs: which instance gets a call, when one is started, and when one ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bus::Health;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::environment::Initialization;
use super::error::{FunctionError, InvokeError};
use super::instance::Instance;
use super::pool::Pool;
use super::runtime::{Answered, Call, Runtime, State, Surroundings};

/// The longest that an idle instance outstays its time.
const REAP_INTERVAL_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether a provisioned instance is missing.
const WARM_INTERVAL: Duration = Duration::from_millis(500);

/// The instances of one program. See the module.
pub(super) struct Programs {
    surroundings: Surroundings,
    pool: Arc<Mutex<Pool>>,
    next_instance: AtomicU64,
    reaping: AtomicBool,
}

impl Programs {
    /// Nothing is started before the first call. That the program is there is not checked: it may come later, and a call says what is
    /// missing.
    ///
    /// # Errors
    /// When the command can't be one.
    pub(super) fn new(surroundings: Surroundings) -> Result<Self, FunctionError> {
        surroundings.settings.check_command()?;
        Ok(Self {
            surroundings,
            pool: Arc::default(),
            next_instance: AtomicU64::new(1),
            reaping: AtomicBool::new(false),
        })
    }

    async fn instance(&self) -> Result<Instance, InvokeError> {
        let started = Instant::now();
        {
            let mut pool = self.pool.lock();
            if let Some(instance) = pool.take() {
                return Ok(instance);
            }
            if let Some(rest) = pool.rest.left(started) {
                let last = pool.rest.last().unwrap_or_default().to_owned();
                return Err(InvokeError::Resting { failures: pool.rest.failures(), rest, last });
            }
        }
        self.reap_idle_ones();
        let start = self.start(Initialization::OnDemand).await;
        start.inspect_err(|error| self.failed(&mut self.pool.lock(), started, error))
    }

    async fn start(&self, initialization: Initialization) -> Result<Instance, InvokeError> {
        let number = self.next_instance.fetch_add(1, Ordering::Relaxed);
        Instance::start(&self.surroundings, number, initialization).await
    }

    /// Starts what is missing of the provisioned instances, unless the program is at rest after failures.
    async fn warm(&self) {
        let missing = {
            let pool = self.pool.lock();
            let running = pool.idle() + self.surroundings.figures.busy();
            match pool.rest.left(Instant::now()) {
                Some(_) => 0,
                None => self.surroundings.settings.provisioned.saturating_sub(running),
            }
        };
        futures::future::join_all((0..missing).map(|_| self.warm_one())).await;
    }

    async fn warm_one(&self) {
        let started = Instant::now();
        let warmed = async {
            let mut instance = self.start(Initialization::Provisioned).await?;
            instance.warm().await.map(|()| instance)
        };
        match warmed.await {
            Ok(instance) => {
                let mut pool = self.pool.lock();
                // Calls may have started as many as there may be meanwhile.
                if pool.idle() + self.surroundings.figures.busy() < self.surroundings.settings.concurrency {
                    pool.put_back(instance, Instant::now());
                } else {
                    instance.retire();
                }
            }
            Err(error) => {
                let function = &self.surroundings.settings.name;
                tracing::warn!(function, code = error.code(), %error, "provisioned instance failed");
                self.failed(&mut self.pool.lock(), started, &error);
            }
        }
    }

    fn failed(&self, pool: &mut Pool, started: Instant, error: &InvokeError) {
        match error {
            // The handler was slow or wordy; the next event may fare better, and a start is not what failed.
            InvokeError::TimedOut { .. } | InvokeError::ResponseTooLarge { .. } => {}
            _ => pool.rest.failed(started, Instant::now(), error.to_string()),
        }
    }

    /// Starts, once, the task that retires instances nobody calls.
    fn reap_idle_ones(&self) {
        if self.reaping.swap(true, Ordering::Relaxed) {
            return;
        }
        let idle_time_max = self.surroundings.settings.idle_time_max;
        let (provisioned, figures) =
            (self.surroundings.settings.provisioned, Arc::clone(&self.surroundings.figures));
        let (pool, closing) = (Arc::downgrade(&self.pool), self.surroundings.closing.clone());
        let interval = (idle_time_max / 4).clamp(Duration::from_millis(10), REAP_INTERVAL_MAX);
        self.surroundings.tasks.spawn(async move {
            while closing.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
                let Some(pool) = pool.upgrade() else { return };
                let now = Instant::now();
                let kept = provisioned.saturating_sub(figures.busy());
                let expired = now.checked_sub(idle_time_max).map(|before| pool.lock().expire(before, kept));
                expired.into_iter().flatten().for_each(Instance::retire);
            }
        });
    }
}

/// Looks again and again whether a provisioned instance is missing: one may end at any time, called or not.
async fn keep_warm(programs: Weak<Programs>, closing: CancellationToken) {
    let keeping = async {
        while let Some(programs) = programs.upgrade() {
            programs.warm().await;
            drop(programs);
            tokio::time::sleep(WARM_INTERVAL).await;
        }
    };
    closing.run_until_cancelled(keeping).await;
}

#[async_trait]
impl Runtime for Programs {
    async fn call(&self, call: Call<'_>) -> Result<Answered, InvokeError> {
        let mut instance = self.instance().await?;
        let called = instance.call(call).await;
        let mut pool = self.pool.lock();
        match &called {
            Ok(_) => {
                pool.rest.answered();
                pool.put_back(instance, Instant::now());
            }
            Err(error) => self.failed(&mut pool, instance.started(), error),
        }
        called
    }

    fn warm_up(self: Arc<Self>) {
        if self.surroundings.settings.provisioned > 0 {
            let keeping = keep_warm(Arc::downgrade(&self), self.surroundings.closing.clone());
            self.surroundings.tasks.spawn(keeping);
            self.reap_idle_ones();
        }
    }

    fn state(&self) -> State {
        let pool = self.pool.lock();
        let idle = pool.idle();
        let health = match pool.rest.last() {
            Some(why) => Health::Unhealthy(why.to_owned()),
            None if idle > 0 || pool.rest.has_answered() => Health::Healthy,
            None => Health::Unknown,
        };
        State { idle, health }
    }

    async fn close(&self) {
        let idle = self.pool.lock().close();
        idle.into_iter().for_each(Instance::retire);
    }
}
