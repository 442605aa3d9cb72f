//! Step 7: the targets that the settings declare, made and handed to the bus, whose lanes do the delivering.
//!
//! Queues and streams are views of the journal: an event is there once its record is durable. Functions and HTTP targets are called, with
//! retries, in order per partition key, and with a dead letter in the end.

use crate::gateway::Gateway;
use crate::settings::{Overflow, Raw};
use anyhow::Context;
use bus::{DeliverySettings, LaneLimits, RetryPolicy, Target, TargetName};
use journal::state::StateStore;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use targets::function::Function;
use targets::http::Http;
use targets::queue::Queues;
use targets::stream::Streams;
use targets::{function, http, queue, stream};

/// Everything that events are delivered to.
pub(crate) struct Targets {
    pub(crate) queues: Queues,
    pub(crate) streams: Streams,
}

impl Targets {
    /// Makes every target and declares it to the bus. To be done before the journal is trimmed and before the first publish.
    ///
    /// # Errors
    /// The first target that can't be made, and why.
    pub(crate) async fn open(gateway: &Gateway, state: &StateStore) -> anyhow::Result<Self> {
        let raw = &gateway.settings.raw;
        let queue_settings = queue::Settings {
            declared: queues(raw),
            clock: gateway.clock.clone(),
            ..queue::Settings::default()
        };
        let stream_settings = stream::Settings {
            declared: streams(raw),
            clock: gateway.clock.clone(),
            ..stream::Settings::default()
        };
        let queues = Queues::open(&gateway.bus, &gateway.journal, state, queue_settings).await?;
        let streams = Streams::open(&gateway.bus, &gateway.journal, state, stream_settings).await?;
        let mut functions = HashMap::new();
        for declared in &raw.function {
            let function = Function::new(function_settings(raw, declared))?;
            functions.insert(declared.name.clone(), Arc::clone(&function));
            let base = delivery(raw, declared.attempts_max, declared.age_secs_max);
            let settings = function.delivery_settings(base);
            declare(gateway, function::KIND, &declared.name, function, settings).await?;
        }
        // Rules call the same functions, and share their instances.
        gateway.functions.declare(functions);
        for declared in &raw.http {
            let target = Http::new(http_settings(declared))?;
            let base = delivery(raw, declared.attempts_max, declared.age_secs_max);
            let settings = target.delivery_settings(base);
            declare(gateway, http::KIND, &declared.name, target, settings).await?;
        }
        Ok(Self { queues, streams })
    }

    /// Writes what consumers did last. The lanes are drained before.
    pub(crate) async fn close(&self) {
        self.queues.close().await;
        self.streams.close().await;
    }
}

async fn declare(
    gateway: &Gateway,
    kind: &str,
    name: &str,
    target: Arc<dyn Target>,
    settings: DeliverySettings,
) -> anyhow::Result<()> {
    let target_name = TargetName::new(kind, name)?;
    gateway.bus.set_target(target_name, target, settings).await.with_context(|| format!("{kind} `{name}`"))
}

fn queues(raw: &Raw) -> BTreeMap<String, queue::Attributes> {
    let attributes = |declared: &crate::settings::Queue| {
        let redrive = declared.dead_letter_queue.clone().zip(declared.receives_max);
        queue::Attributes {
            visibility_timeout_secs: declared.visibility_timeout_secs,
            retention_secs: declared.retention_secs,
            redrive: redrive
                .map(|(dead_letter_queue, receives_max)| queue::Redrive { dead_letter_queue, receives_max }),
            ..queue::Attributes::default()
        }
    };
    raw.queue.iter().map(|declared| (declared.name.clone(), attributes(declared))).collect()
}

fn streams(raw: &Raw) -> BTreeMap<String, stream::Attributes> {
    let attributes = |declared: &crate::settings::Stream| {
        let standard = stream::Attributes::default();
        stream::Attributes {
            shards: declared.shards,
            retention_hours: declared.retention_hours,
            retention_bytes_max: declared.retention_bytes_max.unwrap_or(standard.retention_bytes_max),
            ..standard
        }
    };
    raw.stream.iter().map(|declared| (declared.name.clone(), attributes(declared))).collect()
}

fn function_settings(raw: &Raw, declared: &crate::settings::Function) -> function::Settings {
    function::Settings {
        directory: declared.directory.clone(),
        handler: declared.handler.clone(),
        environment: declared.environment.clone(),
        timeout: Duration::from_secs(declared.timeout_secs),
        concurrency: declared.concurrency,
        memory_mib: declared.memory_mib,
        batch_size: declared.batch_size,
        log_directory: Some(raw.data_directory.join("functions")),
        region: raw.region.clone(),
        account_id: raw.account_id.clone(),
        ..function::Settings::new(&declared.name, declared.command.clone())
    }
}

fn http_settings(declared: &crate::settings::Http) -> http::Settings {
    http::Settings {
        headers: declared.headers.clone(),
        timeout: Duration::from_millis(declared.timeout_ms),
        concurrency: declared.concurrency,
        ..http::Settings::new(&declared.name, &declared.url)
    }
}

/// The settings of a lane: those of `[delivery]` where the target has none of its own.
pub(super) fn delivery(raw: &Raw, attempts_max: Option<u32>, age_secs_max: Option<u64>) -> DeliverySettings {
    let general = &raw.delivery;
    let overflow = match general.overflow {
        Overflow::Block => bus::Overflow::Block,
        Overflow::DropOldest => bus::Overflow::DropOldest,
        Overflow::DeadLetter => bus::Overflow::DeadLetter,
    };
    DeliverySettings {
        retry: RetryPolicy {
            attempts_max: attempts_max.unwrap_or(general.attempts_max),
            age_max: Duration::from_secs(age_secs_max.unwrap_or(general.age_secs_max)),
            backoff_first: Duration::from_millis(general.backoff_first_ms),
            backoff_max: Duration::from_millis(general.backoff_max_ms),
        },
        limits: LaneLimits { overflow, ..limits(raw) },
        ..DeliverySettings::default()
    }
}

/// How much may wait in a lane.
pub(super) fn limits(raw: &Raw) -> LaneLimits {
    LaneLimits {
        waiting_events_max: raw.delivery.waiting_events_max,
        waiting_bytes_max: raw.delivery.waiting_bytes_max,
        overflow: bus::Overflow::Block,
    }
}
