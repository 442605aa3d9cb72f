//! The trait of a target that events are pushed to.
//!
//! A target opens, delivers a batch and closes. Retries, batching, order, limits, time-outs and dead
//! letters belong to the bus; a target must not retry by itself.

use std::time::Duration;

use async_trait::async_trait;

use crate::Delivery;

/// A place outside the bus that events are pushed to: a function, a URL, a broker.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// Tries to deliver `batch` and says for each delivery, in the same order, what came of it.
    ///
    /// The bus calls this concurrently, but never for the same partition key at once. Within a batch,
    /// deliveries of one key stand in order: when one of them is to be retried, the later ones of that
    /// key must be a retry too, or the order is lost. A call that takes longer than
    /// [`DeliverySettings::delivery_time_max`](crate::DeliverySettings) is dropped, so the future must be
    /// safe to cancel. A missing outcome counts as a retry.
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome>;

    /// Says whether the target can be reached, without delivering anything.
    async fn health(&self) -> Health {
        Health::Unknown
    }

    /// Lets go of connections and processes. Called once, after the last `deliver` has returned.
    async fn close(&self) {}
}

/// What came of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target has it.
    Delivered,
    /// It may work later.
    Retry {
        /// What happened, for people.
        reason: String,
        /// What happened, for programs and counters: one of few short upper-case words, for example
        /// `THROTTLING` or `HTTP_503`.
        code: String,
        /// The target asked not to be tried again before so long. A longer backoff wins.
        after: Option<Duration>,
    },
    /// It may work later, and says nothing about any other delivery: the target took it and it failed by itself. Those of other keys go on
    /// meanwhile, and neither the circuit breaker nor anybody's wait but its own heeds it.
    RetryAlone {
        /// What happened, for people.
        reason: String,
        /// What happened, for programs and counters, for example `FUNCTION_ERROR`.
        code: String,
        /// Not before so long. A longer backoff wins.
        after: Duration,
    },
    /// It will never work: a dead letter.
    Reject {
        /// What happened, for people.
        reason: String,
        /// What happened, for programs and counters, for example `NO_PERMISSIONS`.
        code: String,
    },
}

impl Outcome {
    /// A retry after the lane's own backoff.
    #[must_use]
    pub fn retry(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), code: code.into(), after: None }
    }

    /// True when it is to be tried again.
    #[must_use]
    pub const fn is_retry(&self) -> bool {
        matches!(self, Self::Retry { .. } | Self::RetryAlone { .. })
    }

    /// A refusal for good.
    #[must_use]
    pub fn reject(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Reject { reason: reason.into(), code: code.into() }
    }
}

/// Whether a target can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Healthy,
    /// It does not answer, or says it can't serve.
    Unhealthy(String),
    /// It can't be asked.
    Unknown,
}
