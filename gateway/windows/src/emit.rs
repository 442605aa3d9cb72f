//! Sending results on: each becomes a record of the journal, under the id it got when its window was closed, and only
//! then is it forgotten here. A crash between the two sends it again, under the same id.
//!
//! Results of one statement go in order. Where a target has no room they wait, here, and those of other rules go on.

use std::sync::Arc;
use std::time::Duration;

use bus::{AppendError, Bus, Producer, Record};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::outlet::{Outlet, Outlets};
use crate::store::{KeptResult, RestoreError, Store};

/// Results of one statement under way at once.
const PAGE_RESULTS_MAX: usize = 256;

/// Statements whose results are under way at once.
const PAGES_MAX: usize = 64;

/// How long to wait after the disk failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long what is under way may take at the end.
const END_TIME_MAX: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Emitter {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) outlets: Arc<Outlets>,
}

/// What became of one result.
enum Sent {
    /// It is in the journal.
    Durable,
    /// It can never be, and was counted.
    Dropped,
    /// Not now.
    Waits,
}

impl Emitter {
    /// Sends on what there is and what comes, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut pages = FuturesUnordered::new();
        while !stop.is_cancelled() {
            for outlet in self.outlets.take_ready(PAGES_MAX - pages.len()) {
                pages.push(self.page(outlet, &stop));
            }
            tokio::select! {
                Some(()) = pages.next() => {}
                () = self.outlets.rung() => {}
                () = stop.cancelled() => {}
            }
        }
        let rest = async { while pages.next().await.is_some() {} };
        // What was under way is sent again after the next start, under the same ids.
        let _ = tokio::time::timeout(END_TIME_MAX, rest).await;
    }

    /// Sends on the oldest results of one statement.
    async fn page(&self, outlet: Arc<Outlet>, stop: &CancellationToken) {
        if let Err(reason) = self.send_page(&outlet, stop).await {
            tracing::error!(rule = outlet.rule, reason, "results of windows can't be sent on yet");
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = stop.cancelled() => {}
            }
        }
        outlet.release();
    }

    async fn send_page(&self, outlet: &Outlet, stop: &CancellationToken) -> Result<(), String> {
        let (store, number) = (self.store.clone(), outlet.number);
        let results = blocking(move || store.results(number, PAGE_RESULTS_MAX)).await?;
        let results = results.map_err(|error: RestoreError| error.to_string())?;
        let (mut done, mut bytes) = (Vec::with_capacity(results.len()), 0);
        let outcomes = self.append_all(outlet, &results, stop).await;
        for (result, sent) in results.iter().zip(&outcomes) {
            if matches!(sent, Sent::Durable | Sent::Dropped) {
                done.push(result.sequence);
                bytes += result.bytes;
            }
        }
        if !done.is_empty() {
            let (store, count) = (self.store.clone(), done.len() as u64);
            blocking(move || store.forget(number, &done)).await?.map_err(|error| error.to_string())?;
            outlet.remove(count, bytes);
        }
        Ok(())
    }

    /// Appends results in order, as far as there is room, and waits until they are durable.
    async fn append_all(
        &self,
        outlet: &Outlet,
        results: &[KeptResult],
        stop: &CancellationToken,
    ) -> Vec<Sent> {
        let mut producer = self.bus.producer();
        let mut sent: Vec<Sent> = Vec::with_capacity(results.len());
        let mut under_way = Vec::new();
        for (at, result) in results.iter().enumerate() {
            #[cfg(test)]
            if self.store.fuse.step("append").is_err() {
                break;
            }
            let appended = tokio::select! {
                biased;
                appended = self.append(outlet, &mut producer, &result.record) => appended,
                () = stop.cancelled() => break,
            };
            if matches!(appended, Sent::Waits) {
                break;
            }
            if matches!(appended, Sent::Durable) {
                under_way.push(at);
            }
            sent.push(appended);
        }
        for at in under_way {
            if let (_, Err(error)) = producer.next_outcome().await {
                tracing::error!(rule = outlet.rule, %error, "a result of windows is not durable, it is sent again");
                sent[at] = Sent::Waits;
            }
        }
        sent
    }

    async fn append(&self, outlet: &Outlet, producer: &mut Producer, record: &Record) -> Sent {
        match producer.append(record).await {
            Ok(_) => Sent::Durable,
            Err(AppendError::UnknownTarget { target, .. }) => {
                tracing::error!(rule = outlet.rule, target_name = %target, "a result of windows goes to a target that is gone");
                self.outlets.dropped(&outlet.rule, "target_removed");
                let mut rest = record.clone();
                rest.events.iter_mut().for_each(|event| event.routes.retain(|route| route.target != target));
                match rest.is_empty() {
                    true => Sent::Dropped,
                    // One target fewer each time.
                    false => Box::pin(self.append(outlet, producer, &rest)).await,
                }
            }
            Err(
                error
                @ (AppendError::Encode(_) | AppendError::Journal(journal::AppendError::TooLarge { .. })),
            ) => {
                tracing::error!(rule = outlet.rule, %error, "a result of windows can't be sent on");
                self.outlets.dropped(&outlet.rule, "too_large");
                Sent::Dropped
            }
            Err(AppendError::Full { .. } | AppendError::Journal(_)) => Sent::Waits,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|_| "the gateway is shutting down".to_owned())
}
