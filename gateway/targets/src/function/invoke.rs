//! One call of a function: an instance is found or started, gets the event, and is kept if it did well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bus::DeliverySettings;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::config::Settings;
use super::error::{FunctionError, HandlerError, InvokeError};
use super::instance::Instance;
use super::log_file::LogFile;
use super::pool::Pool;

/// The longest that an idle instance outstays its time.
const REAP_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// One event for a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// JSON, as every Lambda runtime expects.
    pub payload: Bytes,
    /// A JSON object in ASCII, which the handler finds as its context's client context.
    pub client_context: Option<String>,
    /// The trace this call belongs to (W3C Trace Context); the handler sees it as an X-Ray header.
    pub traceparent: Option<String>,
}

impl From<Bytes> for Invocation {
    fn from(payload: Bytes) -> Self {
        Self { payload, ..Self::default() }
    }
}

impl Invocation {
    /// The trace as X-Ray writes it; a new one when there is none.
    pub(super) fn trace_header(&self) -> String {
        let known = self.traceparent.as_deref().and_then(x_ray);
        known.unwrap_or_else(|| {
            let id = Uuid::new_v4().simple().to_string();
            format!("Root=1-{}-{};Sampled=0", &id[..8], &id[8..])
        })
    }
}

/// Version 00 of a `traceparent` as an X-Ray header.
fn x_ray(traceparent: &str) -> Option<String> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex(version, 2) || !is_hex(trace, 32) || !is_hex(parent, 16) || !is_hex(flags, 2) {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    Some(format!("Root=1-{}-{};Parent={parent};Sampled={sampled}", &trace[..8], &trace[8..]))
}

/// What the function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Of this call alone: each try has its own.
    pub request_id: String,
    /// The handler's result, or its error as JSON.
    pub payload: Bytes,
    /// Set when the handler failed (`X-Amz-Function-Error` of Lambda's Invoke).
    pub error: Option<HandlerError>,
}

/// A function and its instances. See [`super`].
pub struct Function {
    pub(super) settings: Arc<Settings>,
    pub(super) pool: Arc<Mutex<Pool>>,
    log: Option<Arc<LogFile>>,
    /// One permit for each call that may run.
    calls: Arc<Semaphore>,
    /// One permit for each call that may run or wait.
    callers: Semaphore,
    tasks: TaskTracker,
    closing: CancellationToken,
    next_instance: AtomicU64,
    reaping: AtomicBool,
}

impl Function {
    /// Checks the settings. Nothing is started before the first call.
    ///
    /// # Errors
    /// When a setting is wrong or the log file can't be opened. That the program is there is not checked: it may come
    /// later, and a call says what is missing.
    pub fn new(settings: Settings) -> Result<Arc<Self>, FunctionError> {
        settings.check()?;
        let open_log = |directory: &std::path::PathBuf| {
            LogFile::open(directory, &settings.name, settings.log_bytes_max).map_err(|error| {
                FunctionError::Log {
                    function: settings.name.clone(),
                    path: directory.display().to_string(),
                    why: error.to_string(),
                }
            })
        };
        let log = settings.log_directory.as_ref().map(open_log).transpose()?.map(Arc::new);
        Ok(Arc::new(Self {
            calls: Arc::new(Semaphore::new(settings.concurrency)),
            callers: Semaphore::new(
                (settings.concurrency + settings.waiting_calls_max).min(Semaphore::MAX_PERMITS),
            ),
            settings: Arc::new(settings),
            pool: Arc::default(),
            log,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            next_instance: AtomicU64::new(1),
            reaping: AtomicBool::new(false),
        }))
    }

    /// The settings the function was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// `delivery` as this function needs it: batches of its size, as many calls as it has instances, and time for a
    /// cold start and a call.
    #[must_use]
    pub fn delivery_settings(&self, delivery: DeliverySettings) -> DeliverySettings {
        let settings = &self.settings;
        DeliverySettings {
            batch_events_max: settings.batch_size,
            batch_bytes_max: settings.payload_bytes_max / 2,
            concurrency_max: settings.concurrency,
            batch_same_key: true,
            // A batch whose payload turns out too large takes a second call, and either may be a cold start.
            delivery_time_max: (settings.init_time_max + settings.timeout) * 2 + Duration::from_secs(5),
            ..delivery
        }
    }

    /// Calls the function and waits for its answer. Safe to cancel: the instance at work is then killed.
    ///
    /// # Errors
    /// When there is no answer, and why. An error of the handler is an answer, see [`Response::error`].
    pub async fn invoke(&self, invocation: impl Into<Invocation>) -> Result<Response, InvokeError> {
        let invocation = invocation.into();
        let _caller = self.caller(&invocation)?;
        let called = async {
            let _call = self.calls.acquire().await.map_err(|_| InvokeError::Closed)?;
            self.call(&invocation).await
        };
        self.closing.run_until_cancelled(called).await.unwrap_or(Err(InvokeError::Closed))
    }

    /// The same for a caller who waits no longer than `wait_max`. A call that has an instance by then goes on without the caller, within the
    /// function's own limits: so a program that is slow to start is there for the next call. Safe to cancel, likewise.
    ///
    /// # Errors
    /// As above, and when there was no answer in time.
    pub async fn invoke_within(
        self: &Arc<Self>,
        invocation: impl Into<Invocation>,
        wait_max: Duration,
    ) -> Result<Response, InvokeError> {
        let invocation = invocation.into();
        let _caller = self.caller(&invocation)?;
        let called = async {
            let call = Arc::clone(&self.calls).acquire_owned().await.map_err(|_| InvokeError::Closed)?;
            let function = Arc::clone(self);
            // As many such tasks as there may be instances.
            let called = self.tasks.spawn(async move {
                let called = function.closing.run_until_cancelled(function.call(&invocation)).await;
                drop(call);
                called.unwrap_or(Err(InvokeError::Closed))
            });
            called.await.unwrap_or(Err(InvokeError::Closed))
        };
        match tokio::time::timeout(wait_max, self.closing.run_until_cancelled(called)).await {
            Ok(called) => called.unwrap_or(Err(InvokeError::Closed)),
            Err(_) => Err(InvokeError::NotInTime { limit: wait_max }),
        }
    }

    /// A place among those that call or wait.
    fn caller(&self, invocation: &Invocation) -> Result<SemaphorePermit<'_>, InvokeError> {
        let (bytes, bytes_max) = (invocation.payload.len(), self.settings.payload_bytes_max);
        if bytes > bytes_max {
            return Err(InvokeError::PayloadTooLarge { bytes, bytes_max });
        }
        let waiting_max = self.settings.waiting_calls_max;
        self.callers.try_acquire().map_err(|_| InvokeError::Throttled { waiting_max })
    }

    /// One call, for which there is a permit.
    async fn call(&self, invocation: &Invocation) -> Result<Response, InvokeError> {
        let mut instance = self.instance().await?;
        let called = instance.call(invocation).await;
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
        let start = Instance::start(&self.settings, self.log.as_ref(), number, &self.tasks).await;
        start.inspect_err(|error| self.failed(&mut self.pool.lock(), started, error))
    }

    fn failed(&self, pool: &mut Pool, started: Instant, error: &InvokeError) {
        tracing::warn!(function = self.settings.name, code = error.code(), %error, "function failed");
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
        let idle_time_max = self.settings.idle_time_max;
        let (pool, closing) = (Arc::downgrade(&self.pool), self.closing.clone());
        let interval = (idle_time_max / 4).clamp(Duration::from_millis(10), REAP_INTERVAL_MAX);
        self.tasks.spawn(async move {
            while closing.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
                let Some(pool) = pool.upgrade() else { return };
                let now = Instant::now();
                let expired = now.checked_sub(idle_time_max).map(|before| pool.lock().expire(before));
                expired.into_iter().flatten().for_each(Instance::retire);
            }
        });
    }

    /// Ends every instance and waits for it, for a bounded time. Calls that run are given up.
    pub async fn close(&self) {
        self.closing.cancel();
        let idle = self.pool.lock().close();
        idle.into_iter().for_each(Instance::retire);
        self.tasks.close();
        let limit = self.settings.stop_time_max + Duration::from_secs(2);
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                function = self.settings.name,
                left = self.tasks.len(),
                "instances did not end in time"
            );
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Function").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_under_its_x_ray_name() {
        let cases = [
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                Some("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"),
            ),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", None),
            ("00-é-b7ad6b7169203331-01", None),
            ("", None),
        ];
        for (traceparent, expected) in cases {
            assert_eq!(x_ray(traceparent).as_deref(), expected, "{traceparent}");
        }
    }
}
