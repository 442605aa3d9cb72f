//! Step 7: the targets that the settings declare, made and handed to the bus, whose lanes do the delivering.
//!
//! Queues and streams are views of the journal: an event is there once its record is durable. Functions and HTTP targets are called, with
//! retries, in order per partition key, and with a dead letter in the end.

mod functions;

use crate::gateway::Gateway;
use crate::settings::{Overflow, Raw, TargetDelivery};
use anyhow::Context;
use bus::{DeliverySettings, LaneLimits, RetryPolicy, Target, TargetName};
use journal::state::StateStore;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use targets::archive::Archives;
use targets::archive::replay::Replays;
use targets::function::Functions;
use targets::http::Http;
use targets::queue::Queues;
use targets::stream::Streams;
use targets::{http, queue, stream};

/// Everything that events are delivered to.
pub(crate) struct Targets {
    pub(crate) queues: Queues,
    pub(crate) streams: Streams,
    pub(crate) functions: Functions,
    pub(crate) archives: Archives,
    pub(crate) replays: Replays,
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
        let functions = functions::open(gateway).await?;
        for declared in &raw.http {
            let target = Http::new(http_settings(declared))?;
            let own = own_delivery(&declared.delivery, declared.attempts_max, declared.age_secs_max);
            let settings = within(target.delivery_settings(delivery(raw, &own)), &own);
            declare(gateway, http::KIND, &declared.name, target, settings).await?;
        }
        let archives = super::archive::open(gateway).await?;
        let replays = super::archive::open_replays(gateway, state, &archives).await?;
        // For the metrics.
        let is_first = gateway.archives.set((archives.clone(), replays.clone())).is_ok();
        debug_assert!(is_first, "targets are opened once");
        Ok(Self { queues, streams, functions, archives, replays })
    }

    /// Writes what consumers did last. The lanes are drained before.
    pub(crate) async fn close(&self) {
        self.replays.close().await;
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
        let redrive_allow = match declared.dead_letter_sources.clone() {
            None => queue::RedriveAllow::All,
            Some(names) if names.is_empty() => queue::RedriveAllow::None,
            Some(names) => queue::RedriveAllow::Queues(names),
        };
        queue::Attributes {
            redrive_allow,
            delay_secs: declared.delay_secs,
            receive_wait_secs: declared.receive_wait_secs,
            fifo: declared.fifo,
            content_based_deduplication: declared.content_based_deduplication,
            deduplication_scope: declared.deduplication_scope,
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

fn http_settings(declared: &crate::settings::Http) -> http::Settings {
    http::Settings {
        headers: declared.headers.clone(),
        timeout: Duration::from_millis(declared.timeout_ms),
        concurrency: declared.delivery.concurrency.unwrap_or(declared.concurrency),
        ..http::Settings::new(&declared.name, &declared.url)
    }
}

/// The settings of a lane: those of `[delivery]` where the target has none of its own.
pub(super) fn delivery(raw: &Raw, own: &TargetDelivery) -> DeliverySettings {
    let general = &raw.delivery;
    let overflow = match own.overflow.unwrap_or(general.overflow) {
        Overflow::Block => bus::Overflow::Block,
        Overflow::DropOldest => bus::Overflow::DropOldest,
        Overflow::DeadLetter => bus::Overflow::DeadLetter,
    };
    let backoff_first_ms = own.backoff_first_ms.unwrap_or(general.backoff_first_ms);
    let backoff_max_ms = own.backoff_max_ms.unwrap_or(general.backoff_max_ms);
    DeliverySettings {
        retry: RetryPolicy {
            attempts_max: own.attempts_max.unwrap_or(general.attempts_max),
            age_max: Duration::from_secs(own.age_secs_max.unwrap_or(general.age_secs_max)),
            backoff_first: Duration::from_millis(backoff_first_ms),
            backoff_max: Duration::from_millis(backoff_max_ms),
        },
        batch_linger: Duration::from_millis(own.batch_wait_ms.unwrap_or(0)),
        rate_per_second_max: own.rate_per_second_max,
        limits: LaneLimits {
            waiting_events_max: own.waiting_events_max.unwrap_or(general.waiting_events_max),
            waiting_bytes_max: own.waiting_bytes_max.unwrap_or(general.waiting_bytes_max),
            overflow,
        },
        ..DeliverySettings::default()
    }
}

/// What the target said of itself, within what the settings allow one call.
fn within(settings: DeliverySettings, own: &TargetDelivery) -> DeliverySettings {
    let batch_bytes_max = own.batch_bytes_max.unwrap_or(usize::MAX).min(settings.batch_bytes_max);
    DeliverySettings { batch_bytes_max, ..settings }
}

/// What a target says under `delivery`, and where it says nothing what it says beside it.
fn own_delivery(
    own: &TargetDelivery,
    attempts_max: Option<u32>,
    age_secs_max: Option<u64>,
) -> TargetDelivery {
    TargetDelivery {
        attempts_max: own.attempts_max.or(attempts_max),
        age_secs_max: own.age_secs_max.or(age_secs_max),
        ..own.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_says_wins_over_what_is_said_for_all() {
        let raw: Raw = toml::from_str(
            "[delivery]\nattempts_max = 7\nage_secs_max = 100\nwaiting_events_max = 9\n\
             [[http]]\nname = \"plain\"\nurl = \"http://a/\"\n\
             [[http]]\nname = \"own\"\nurl = \"http://a/\"\nattempts_max = 3\nage_secs_max = 50\n\
             delivery = { attempts_max = 2, backoff_first_ms = 5, backoff_max_ms = 6, overflow = \"drop_oldest\", \
             waiting_bytes_max = 8, batch_wait_ms = 4, batch_bytes_max = 11, rate_per_second_max = 12, concurrency = 13 }\n",
        )
        .unwrap();
        let told = |at: usize| {
            let declared = &raw.http[at];
            let own = own_delivery(&declared.delivery, declared.attempts_max, declared.age_secs_max);
            let DeliverySettings {
                retry, limits, batch_linger, rate_per_second_max, batch_bytes_max, ..
            } = within(delivery(&raw, &own), &own);
            format!(
                "{} {:?} {:?} {:?} {} {} {:?} {batch_linger:?} {rate_per_second_max:?} {batch_bytes_max} {}",
                retry.attempts_max,
                retry.age_max,
                retry.backoff_first,
                retry.backoff_max,
                limits.waiting_events_max,
                limits.waiting_bytes_max,
                limits.overflow,
                http_settings(declared).concurrency
            )
        };
        assert_eq!(told(0), "7 100s 200ms 60s 9 8589934592 Block 0ns None 1048576 4");
        assert_eq!(told(1), "2 50s 5ms 6ms 9 8 DropOldest 4ms Some(12) 11 13");
    }
}
