//! One call of a function, whoever makes it and whatever runs the code: bounds, counts, and the end.

use std::sync::Arc;
use std::time::Duration;

use bus::DeliverySettings;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::config::Settings;
use super::error::{FunctionError, HandlerError, InvokeError};
use super::figures::Figures;
use super::log::Log;
use super::programs::Programs;
use super::runtime::{Answered, Call, Runtime, State, Surroundings};

/// The code under which errors are counted that handlers report.
pub(super) const HANDLER_ERROR: &str = "FUNCTION_ERROR";

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

/// An X-Ray header as a `traceparent`; `None` when it has no root.
#[must_use]
pub fn traceparent(x_ray: &str) -> Option<String> {
    let member = |name: &str| {
        x_ray
            .split(';')
            .find_map(|part| part.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
    };
    let mut root = member("Root")?.splitn(3, '-');
    let (version, time, unique) = (root.next()?, root.next()?, root.next()?);
    // W3C Trace Context has no word for a caller without a segment of its own, so the call is given one.
    let own = Uuid::new_v4().simple().to_string();
    let parent = member("Parent").unwrap_or(&own[..16]);
    let sampled = if member("Sampled") == Some("1") { "01" } else { "00" };
    let traceparent = format!("00-{time}{unique}-{parent}-{sampled}").to_ascii_lowercase();
    (version == "1" && self::x_ray(&traceparent).is_some()).then_some(traceparent)
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

/// A call through the API.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What the call is known by.
    pub request_id: String,
    /// The event and what comes with it.
    pub invocation: Invocation,
    /// Whether the caller wants to see the end of the call's log.
    pub wants_log: bool,
}

/// What came of a call through the API.
#[derive(Debug)]
pub struct Invoked {
    /// The answer, or why there is none.
    pub result: Result<Response, InvokeError>,
    /// The last 4 KiB of the call's log, if they were asked for.
    pub log_tail: Option<Vec<u8>>,
}

/// A function and its instances. See [`super`].
pub struct Function {
    pub(super) settings: Arc<Settings>,
    runtime: Arc<dyn Runtime>,
    figures: Arc<Figures>,
    log: Arc<Log>,
    /// One permit for each call that may run.
    calls: Arc<Semaphore>,
    /// One permit for each call that may run or wait.
    callers: Semaphore,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Function {
    /// A function whose code is the program that its settings name. Nothing is started before the first call.
    ///
    /// # Errors
    /// When a setting is wrong or the log file can't be opened. That the program is there is not checked: it may come
    /// later, and a call says what is missing.
    pub fn new(settings: Settings) -> Result<Arc<Self>, FunctionError> {
        Self::with_runtime(settings, |surroundings| Ok(Arc::new(Programs::new(surroundings)?)))
    }

    /// A function whose code runs in what `make` makes; [`Settings::command`] means nothing then.
    ///
    /// # Errors
    /// When a setting is wrong or the log file can't be opened, and those of `make`.
    pub fn with_runtime(
        settings: Settings,
        make: impl FnOnce(Surroundings) -> Result<Arc<dyn Runtime>, FunctionError>,
    ) -> Result<Arc<Self>, FunctionError> {
        settings.check()?;
        let log = Arc::new(Log::open(&settings)?);
        let surroundings = Surroundings {
            settings: Arc::new(settings),
            log,
            figures: Arc::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let settings = Arc::clone(&surroundings.settings);
        let callers = settings.concurrency.saturating_add(settings.waiting_calls_max);
        Ok(Arc::new(Self {
            calls: Arc::new(Semaphore::new(settings.concurrency)),
            callers: Semaphore::new(callers.min(Semaphore::MAX_PERMITS)),
            settings,
            figures: Arc::clone(&surroundings.figures),
            log: Arc::clone(&surroundings.log),
            closing: surroundings.closing.clone(),
            tasks: surroundings.tasks.clone(),
            runtime: make(surroundings)?,
        }))
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Starts what [`Settings::provisioned`] asks for, and keeps it. To be called once, inside a Tokio runtime; returns at once.
    pub fn warm_up(&self) {
        Arc::clone(&self.runtime).warm_up();
    }

    /// How what runs the code does.
    #[must_use]
    pub fn state(&self) -> State {
        self.runtime.state()
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
            batch_linger: settings.batch_window,
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
        self.invoke_as(&Uuid::new_v4().to_string(), &invocation.into()).await
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
                let request_id = Uuid::new_v4().to_string();
                let called = function.call(&request_id, &invocation, false);
                let called = function.closing.run_until_cancelled(called).await;
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
        self.check_size(invocation)?;
        let waiting_max = self.settings.waiting_calls_max;
        self.callers.try_acquire().map_err(|_| {
            self.figures.throttled();
            InvokeError::Throttled { waiting_max }
        })
    }

    fn check_size(&self, invocation: &Invocation) -> Result<(), InvokeError> {
        let (bytes, bytes_max) = (invocation.payload.len(), self.settings.payload_bytes_max);
        if bytes > bytes_max { Err(InvokeError::PayloadTooLarge { bytes, bytes_max }) } else { Ok(()) }
    }

    /// Calls the function if an instance may serve it now, as Lambda does for `RequestResponse`. The call goes on when the caller is
    /// gone, within the function's own limits: whoever hangs up must not end an instance.
    pub async fn invoke_now(self: &Arc<Self>, asked: Asked) -> Invoked {
        let refused = |error| Invoked { result: Err(error), log_tail: None };
        if let Err(error) = self.check_size(&asked.invocation) {
            return refused(error);
        }
        let Ok(call) = Arc::clone(&self.calls).try_acquire_owned() else {
            self.figures.throttled();
            return refused(InvokeError::Busy { concurrency: self.settings.concurrency });
        };
        let function = Arc::clone(self);
        // As many such tasks as there may be instances.
        let called = self.tasks.spawn(async move {
            let called = function.closing.run_until_cancelled(function.call_with_log(&asked)).await;
            drop(call);
            called
        });
        called.await.ok().flatten().unwrap_or_else(|| refused(InvokeError::Closed))
    }

    async fn call_with_log(&self, asked: &Asked) -> Invoked {
        let Asked { request_id, invocation, wants_log } = asked;
        if !wants_log {
            return Invoked { result: self.call(request_id, invocation, false).await, log_tail: None };
        }
        let tail = self.log.tail(request_id);
        tail.push(&format!("START RequestId: {request_id} Version: $LATEST"));
        let started = Instant::now();
        let result = self.call(request_id, invocation, true).await;
        if let Err(error) = &result {
            tail.push(&format!("RequestId: {request_id} Error: {error}"));
        }
        tail.push(&format!("END RequestId: {request_id}"));
        let (duration_ms, memory_mib) = (started.elapsed().as_secs_f64() * 1e3, self.settings.memory_mib);
        tail.push(&format!(
            "REPORT RequestId: {request_id}\tDuration: {duration_ms:.2} ms\tMemory Size: {memory_mib} MB"
        ));
        Invoked { result, log_tail: Some(tail.text()) }
    }

    /// As [`Self::invoke`], under a request id of the caller's own.
    ///
    /// # Errors
    /// As with [`Self::invoke`].
    pub async fn invoke_as(
        &self,
        request_id: &str,
        invocation: &Invocation,
    ) -> Result<Response, InvokeError> {
        let _caller = self.caller(invocation)?;
        let called = async {
            let _call = self.calls.acquire().await.map_err(|_| InvokeError::Closed)?;
            self.call(request_id, invocation, false).await
        };
        self.closing.run_until_cancelled(called).await.unwrap_or(Err(InvokeError::Closed))
    }

    /// One call, for which there is a permit.
    async fn call(
        &self,
        request_id: &str,
        invocation: &Invocation,
        wants_log: bool,
    ) -> Result<Response, InvokeError> {
        let started = Instant::now();
        let busy = self.figures.begin();
        let called = self.runtime.call(Call { request_id, invocation, wants_log }).await;
        drop(busy);
        let code = match &called {
            Ok(answered) => answered.error.as_ref().map(|_| HANDLER_ERROR),
            Err(error) => Some(error.code()),
        };
        self.figures.ended(started.elapsed(), code);
        let answered = called.inspect_err(|error| {
            tracing::warn!(
                function = self.settings.name, request_id, code = error.code(), %error, "function failed"
            );
            self.log.note(request_id, &format!("{}: {error}", error.code()));
        })?;
        let Answered { payload, error } = answered;
        Ok(Response { request_id: request_id.to_owned(), payload, error })
    }

    /// Ends every instance and waits for it, for a bounded time. Calls that run are given up.
    pub async fn close(&self) {
        self.closing.cancel();
        self.runtime.close().await;
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
        let there = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
        assert_eq!(traceparent(there).and_then(|back| x_ray(&back)).as_deref(), Some(there));
        for wrong in
            ["", "Root=1", "Root=2-0af76519-16cd43dd8448eb211c80319c", "Root=1-é-16cd43dd8448eb211c80319c"]
        {
            assert_eq!(traceparent(wrong), None, "{wrong}");
        }
    }
}
