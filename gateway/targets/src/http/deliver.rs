//! Sending an event, and what an answer means.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Delivery, DeliverySettings, Health, Outcome, Target};
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::config::{Checked, HttpError, Settings};
use super::request::{address, encode};
use super::retry_after::{self, RetryAfter};
use super::trust::client_config;

/// How long a connection is kept that nothing is sent over. Below the 60 s after which many servers close theirs.
const IDLE_CONNECTION_TIME_MAX: Duration = Duration::from_secs(50);
/// Most characters of an answer that an error quotes.
const QUOTED_CHARS_MAX: usize = 200;

/// A URL that events are posted to. See [`super`].
pub struct Http {
    settings: Settings,
    url: Url,
    headers: HeaderMap,
    client: Client,
    requests: Semaphore,
    health: Mutex<Health>,
}

impl Http {
    /// Checks the settings. Nothing is connected before the first event.
    ///
    /// # Errors
    /// When a setting is wrong, the file of authorities included.
    pub fn new(settings: Settings) -> Result<Arc<Self>, HttpError> {
        let Checked { url, headers } = settings.check()?;
        let client = Client::builder()
            .tls_backend_preconfigured(client_config(&settings)?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("iot-gateway/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .pool_max_idle_per_host(settings.concurrency)
            .pool_idle_timeout(IDLE_CONNECTION_TIME_MAX)
            .build();
        let client = match client {
            Ok(client) => client,
            Err(error) => return settings.refuse("url", format!("no client can be made for it: {error}")),
        };
        let requests = Semaphore::new(settings.concurrency);
        Ok(Arc::new(Self { settings, url, headers, client, requests, health: Mutex::new(Health::Unknown) }))
    }

    /// The settings the target was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// `delivery` as this target needs it: one event for each request, as many requests as it has connections.
    #[must_use]
    pub fn delivery_settings(&self, delivery: DeliverySettings) -> DeliverySettings {
        DeliverySettings {
            batch_events_max: 1,
            concurrency_max: self.settings.concurrency,
            // The target's own limit comes first, since it knows what it was waiting for.
            delivery_time_max: self.settings.timeout + Duration::from_secs(5),
            ..delivery
        }
    }

    async fn post(&self, delivery: &Delivery) -> Outcome {
        let _request = self.requests.acquire().await.expect("the semaphore is never closed");
        let (headers, body) = encode(delivery, &self.headers);
        let deadline = Instant::now() + self.settings.timeout;
        let outcome =
            match self.client.post(address(&self.url, delivery)).headers(headers).body(body).send().await {
                Ok(response) => self.answered(response, deadline).await,
                Err(error) => self.not_answered(&error),
            };
        *self.health.lock() = match &outcome {
            Outcome::Retry { reason, .. } => Health::Unhealthy(reason.clone()),
            Outcome::Delivered | Outcome::RetryAlone { .. } | Outcome::Reject { .. } => Health::Healthy,
        };
        outcome
    }

    async fn answered(&self, response: Response, deadline: Instant) -> Outcome {
        let (status, after) = (response.status(), retry_after(response.headers()));
        // The head of the answer has said it all; the body is read to keep the connection, and to quote it.
        let body = timeout_at(deadline, read(response, self.settings.response_bytes_max)).await;
        if status.is_success() {
            return Outcome::Delivered;
        }
        let code = format!("HTTP_{}", status.as_u16());
        let reason = format!("{} answered {status}{}", self.place(), quoted(&body.unwrap_or_default()));
        match after {
            _ if !may_mend(status) => Outcome::reject(code, reason),
            Some(RetryAfter::Never) => {
                Outcome::reject(code, format!("{reason}; it asked for no further try"))
            }
            Some(RetryAfter::Wait(after)) => Outcome::Retry { reason, code, after: Some(after) },
            None => Outcome::retry(code, reason),
        }
    }

    fn not_answered(&self, error: &reqwest::Error) -> Outcome {
        let place = self.place();
        if error.is_timeout() {
            let limit_ms = self.settings.timeout.as_millis();
            return Outcome::retry("TIMEOUT", format!("{place} did not answer within {limit_ms} ms"));
        }
        let doing = if error.is_connect() { "can't connect to" } else { "no answer from" };
        Outcome::retry("CONNECTION", format!("{doing} {place}: {}", root_cause(error)))
    }

    /// The URL without what may be secret.
    fn place(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = self.url.host_str().unwrap_or_default();
        format!("{}://{host}{port}{}", self.url.scheme(), self.url.path())
    }
}

#[async_trait]
impl Target for Http {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut held_keys = HashSet::new();
        for delivery in batch {
            if held_keys.contains(delivery.partition_key.as_str()) {
                outcomes.push(Outcome::retry("BEHIND_A_RETRY", "an earlier event of its key is tried again"));
                continue;
            }
            let outcome = self.post(delivery).await;
            if matches!(outcome, Outcome::Retry { .. }) {
                held_keys.insert(delivery.partition_key.as_str());
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// What the last request showed.
    async fn health(&self) -> Health {
        self.health.lock().clone()
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Http").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

/// 408 says by its definition that the request may be repeated.
fn may_mend(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    retry_after::parse(headers.get(RETRY_AFTER)?.to_str().ok()?, OffsetDateTime::now_utc())
}

/// The body up to a bound; what is over it is not waited for.
async fn read(mut response: Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = bytes_max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    body
}

fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String =
        text.trim().chars().filter(|letter| !letter.is_control()).take(QUOTED_CHARS_MAX).collect();
    if text.is_empty() { text } else { format!(": `{text}`") }
}

/// The innermost cause, which says more than "error sending request" and holds no URL.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "the connection failed".to_owned() };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
