//! How events come into an archive: each once, and on disk before it is said to be delivered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use async_trait::async_trait;
use bus::{Delivery, Health, Outcome, Target};
use bytes::Bytes;
use journal::AppendError;

use super::Archive;
use super::entry::Entries;

/// The target that the bus calls.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveTarget(pub(crate) Arc<Archive>);

#[async_trait]
impl Target for ArchiveTarget {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let (archive, batch) = (Arc::clone(&self.0), batch.to_vec());
        let count = batch.len();
        // A task of its own: when the call is dropped, what was appended is still remembered, and not kept twice when it comes again.
        let archived = tokio::spawn(async move { archive.take(batch).await }).await;
        archived.unwrap_or_else(|_| vec![Outcome::retry("SHUTDOWN", "the gateway is shutting down"); count])
    }

    async fn health(&self) -> Health {
        match self.0.journal.health() {
            journal::Health::Working => Health::Healthy,
            other => Health::Unhealthy(format!("{other:?}")),
        }
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

impl Archive {
    async fn take(self: Arc<Self>, batch: Vec<Delivery>) -> Vec<Outcome> {
        let _alone = self.appending.lock().await;
        let archive = Arc::clone(&self);
        let encoding = tokio::task::spawn_blocking(move || {
            let encoded = archive.encode(&batch);
            (batch, encoded)
        });
        let Ok((batch, encoded)) = encoding.await else { return Vec::new() };
        let outcomes = self.append(&batch, encoded).await;
        self.keep();
        outcomes
    }

    /// The bytes of each event that is not there yet; the refusal of one that can't be kept.
    fn encode(&self, batch: &[Delivery]) -> Vec<Option<Result<Bytes, Outcome>>> {
        let known: Vec<bool> = {
            let recent = self.recent.lock();
            batch.iter().map(|delivery| recent.contains(&delivery.id)).collect()
        };
        let mut entries = Entries::new(&self.source);
        let encode = |(delivery, is_known): (&Delivery, bool)| {
            (!is_known).then(|| {
                let entry = entries.of(delivery).encode();
                entry.map_err(|error| Outcome::reject("TOO_LARGE", error.to_string()))
            })
        };
        batch.iter().zip(known).map(encode).collect()
    }

    /// Behind an event that has to come again all have to, as an order that was kept so far is kept.
    async fn append(&self, batch: &[Delivery], encoded: Vec<Option<Result<Bytes, Outcome>>>) -> Vec<Outcome> {
        let mut producer = self.journal.producer();
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut failed: Option<Outcome> = None;
        for entry in encoded {
            if let Some(failed) = &failed {
                outcomes.push(Some(failed.clone()));
                continue;
            }
            outcomes.push(match entry {
                None => {
                    self.repeated.fetch_add(1, Relaxed);
                    Some(Outcome::Delivered)
                }
                Some(Err(refused)) => Some(refused),
                Some(Ok(bytes)) => match producer.append(bytes).await {
                    Ok(_) => None,
                    Err(error @ AppendError::TooLarge { .. }) => {
                        Some(Outcome::reject("TOO_LARGE", error.to_string()))
                    }
                    Err(error) => {
                        failed = Some(Outcome::retry("ARCHIVE", error.to_string()));
                        failed.clone()
                    }
                },
            });
        }
        let mut lost: Option<Outcome> = None;
        let mut settled = Vec::with_capacity(batch.len());
        for (delivery, outcome) in batch.iter().zip(outcomes) {
            let outcome = match outcome {
                Some(known) => known,
                None => match producer.next_outcome().await.1 {
                    Ok(()) => {
                        self.archived.fetch_add(1, Relaxed);
                        self.recent.lock().add(&delivery.id);
                        Outcome::Delivered
                    }
                    Err(error) => Outcome::retry("ARCHIVE", error.to_string()),
                },
            };
            let is_retry = matches!(outcome, Outcome::Retry { .. });
            let outcome = lost.clone().unwrap_or(outcome);
            if is_retry && lost.is_none() {
                lost = Some(outcome.clone());
            }
            settled.push(outcome);
        }
        settled
    }

    /// Writes what is queued and ends the journal's threads.
    pub(crate) async fn close(self: &Arc<Self>) {
        let archive = Arc::clone(self);
        // Only a runtime that ends cancels it, and then the journal is closed as it is dropped.
        let _ = tokio::task::spawn_blocking(move || archive.journal.close()).await;
    }
}
