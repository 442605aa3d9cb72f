//! Functions that are programs: which instance gets a call, when one is started, and when one ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bus::Health;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::error::{FunctionError, InvokeError};
use super::instance::Instance;
use super::pool::Pool;
use super::runtime::{Answered, Call, Runtime, State, Surroundings};

/// The longest that an idle instance outstays its time.
const REAP_INTERVAL_MAX: Duration = Duration::from_secs(10);

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
        let number = self.next_instance.fetch_add(1, Ordering::Relaxed);
        let start = Instance::start(&self.surroundings, number).await;
        start.inspect_err(|error| self.failed(&mut self.pool.lock(), started, error))
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
        let (pool, closing) = (Arc::downgrade(&self.pool), self.surroundings.closing.clone());
        let interval = (idle_time_max / 4).clamp(Duration::from_millis(10), REAP_INTERVAL_MAX);
        self.surroundings.tasks.spawn(async move {
            while closing.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
                let Some(pool) = pool.upgrade() else { return };
                let now = Instant::now();
                let expired = now.checked_sub(idle_time_max).map(|before| pool.lock().expire(before));
                expired.into_iter().flatten().for_each(Instance::retire);
            }
        });
    }
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
