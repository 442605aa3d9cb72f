//! Looking at dead letters, sending them again, deleting them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::TargetName;
use crate::bus::Bus;
use crate::dead_letters::{
    DeadLetter, DeadLetterCounts, DeadLetterError, DeadLetterFilter, DeadLetterId, DeadLetterPage,
    DeadLetters, LetterRemoval,
};
use crate::producer::AppendAtOnceError;

/// Letters handled between two looks at the store.
const LETTERS_PER_PAGE: usize = 100;

/// Why a redrive or purge ended early; what was done before stays done.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// The store failed.
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
    /// A letter could not be sent again; it is kept.
    #[error("dead letter `{id}` could not be sent again: {source}")]
    Append {
        /// Which letter.
        id: DeadLetterId,
        /// Why.
        source: AppendAtOnceError,
    },
    /// The runtime is being shut down.
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

/// Which dead letters are sent again, and how fast.
#[derive(Clone, Debug, Default)]
pub struct Redrive {
    /// Which.
    pub filter: DeadLetterFilter,
    /// At most so many each second.
    pub per_second_max: Option<NonZeroU32>,
    /// At most so many, the oldest of each target first.
    pub letters_max: Option<u64>,
}

/// A tenth of a second's letters at once, so that a rate is neither kept in jumps nor paid for with an fsync for each letter.
fn batch_letters(per_second: NonZeroU32) -> usize {
    usize::try_from(per_second.get() / 10).map_or(LETTERS_PER_PAGE, |tenth| tenth.clamp(1, LETTERS_PER_PAGE))
}

impl Bus {
    /// The dead letters that match, by target, oldest first, beginning after `after`; damaged ones are named beside them.
    ///
    /// # Errors
    /// The store fails.
    pub async fn dead_letters(
        &self,
        filter: DeadLetterFilter,
        after: Option<DeadLetterId>,
        letters_max: usize,
    ) -> Result<DeadLetterPage, RedriveError> {
        self.blocking(move |letters| letters.list(&filter, after.as_ref(), letters_max)).await
    }

    /// One dead letter.
    ///
    /// # Errors
    /// The store fails, or the letter is damaged.
    pub async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetter>, RedriveError> {
        self.blocking(move |letters| letters.show(&id)).await
    }

    /// How many dead letters each target has and had.
    #[must_use]
    pub fn dead_letter_counts(&self) -> BTreeMap<TargetName, DeadLetterCounts> {
        self.shared.dead_letters.counts()
    }

    /// Deletes one dead letter. False when there is none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn purge_dead_letter(&self, id: DeadLetterId) -> Result<bool, RedriveError> {
        let removed =
            self.blocking(move |letters| letters.remove(&[id].into(), LetterRemoval::Purged)).await?;
        Ok(removed > 0)
    }

    /// Deletes the dead letters that match and are there now; returns how many.
    ///
    /// # Errors
    /// The store fails.
    pub async fn purge_dead_letters(&self, filter: DeadLetterFilter) -> Result<u64, RedriveError> {
        let mut walk = Walk::new(self, filter);
        let mut purged = 0;
        while let Some(letters) = walk.next(self).await? {
            let ids = letters.into_iter().map(|letter| letter.id).collect();
            purged += self.blocking(move |letters| letters.remove(&ids, LetterRemoval::Purged)).await?;
        }
        Ok(purged)
    }

    /// Sends one dead letter's event again, under its id. False when there is no such letter.
    ///
    /// # Errors
    /// It could not be sent, or the store fails; in both cases the letter is kept.
    pub async fn redrive_dead_letter(&self, id: DeadLetterId) -> Result<bool, RedriveError> {
        let Some(letter) = self.dead_letter(id).await? else { return Ok(false) };
        Ok(self.redrive_batch(vec![letter]).await? > 0)
    }

    /// Sends the dead letters that match and are there now again, oldest first, at most `per_second_max`
    /// each second; returns how many. An event that fails again becomes a new letter.
    ///
    /// # Errors
    /// One could not be sent, or the store fails.
    pub async fn redrive_dead_letters(
        &self,
        filter: DeadLetterFilter,
        per_second_max: Option<NonZeroU32>,
    ) -> Result<u64, RedriveError> {
        let redrive = Redrive { filter, per_second_max, letters_max: None };
        self.redrive(redrive, |_| ()).await
    }

    /// The same, and tells `progress` from time to time how many were sent. Dropping it ends it between two
    /// batches: what was sent is no letter any more, the rest are letters as before.
    ///
    /// # Errors
    /// One could not be sent, or the store fails.
    pub async fn redrive(
        &self,
        redrive: Redrive,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, RedriveError> {
        let batch_letters = redrive.per_second_max.map_or(LETTERS_PER_PAGE, batch_letters);
        let mut pace = redrive.per_second_max.map(|rate| {
            let mut pace = tokio::time::interval(Duration::from_secs(1) * batch_letters as u32 / rate.get());
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        let mut walk = Walk::new(self, redrive.filter);
        let mut left = redrive.letters_max.unwrap_or(u64::MAX);
        let mut redriven = 0;
        while left > 0
            && let Some(mut letters) = walk.next(self).await?
        {
            letters.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            while !letters.is_empty() {
                let rest = letters.split_off(letters.len().min(batch_letters));
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                let sent = self.redrive_batch(std::mem::replace(&mut letters, rest)).await?;
                redriven += sent;
                left -= sent.min(left);
                progress(redriven);
            }
        }
        Ok(redriven)
    }

    /// Goes on to its end when nobody waits any more, so that a batch is not left half done.
    async fn redrive_batch(&self, letters: Vec<DeadLetter>) -> Result<u64, RedriveError> {
        let bus = self.clone();
        let done = tokio::spawn(async move {
            let redriving = Arc::clone(&bus.shared.dead_letters.redriving);
            let _alone = redriving.lock().await;
            bus.send_and_forget(letters).await
        });
        done.await.map_err(|_| RedriveError::ShuttingDown)?
    }

    /// The events are durable before the letters go: a crash between leaves both, never neither.
    async fn send_and_forget(&self, letters: Vec<DeadLetter>) -> Result<u64, RedriveError> {
        let letters = self.blocking(move |store| store.still_there(letters)).await?;
        let mut producer = self.producer();
        let (mut appended, mut failed) = (Vec::new(), None);
        for letter in letters {
            if let Err(error) = producer.append(&letter.to_record()).await {
                failed = Some((letter.id, error.into()));
                break;
            }
            appended.push(letter);
        }
        let mut sent = BTreeSet::new();
        for letter in appended {
            match producer.next_outcome().await.1 {
                Ok(()) => {
                    tracing::debug!(dead_letter = %letter.id, event_id = %letter.delivery.id, "dead letter sent again");
                    sent.insert(letter.id);
                }
                Err(error) => failed = failed.or_else(|| Some((letter.id, error.into()))),
            }
        }
        let count = sent.len() as u64;
        if count > 0 {
            self.blocking(move |store| store.remove(&sent, LetterRemoval::Redriven)).await?;
            tracing::info!(count, "dead letters sent again");
        }
        match failed {
            Some((id, source)) => Err(RedriveError::Append { id, source }),
            None => Ok(count),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DeadLetters) -> Result<T, DeadLetterError> + Send + 'static,
    ) -> Result<T, RedriveError> {
        let letters = self.shared.dead_letters.clone();
        let done = tokio::task::spawn_blocking(move || work(&letters)).await;
        Ok(done.map_err(|_| RedriveError::ShuttingDown)??)
    }
}

/// Goes through the letters that were there when it began, so that what fails again is not met again.
struct Walk {
    filter: DeadLetterFilter,
    last: BTreeMap<TargetName, u64>,
    after: Option<DeadLetterId>,
    is_over: bool,
}

impl Walk {
    fn new(bus: &Bus, filter: DeadLetterFilter) -> Self {
        let counts = bus.dead_letter_counts();
        let last = counts.into_iter().map(|(target, counts)| (target, counts.written)).collect();
        Self { filter, last, after: None, is_over: false }
    }

    async fn next(&mut self, bus: &Bus) -> Result<Option<Vec<DeadLetter>>, RedriveError> {
        if self.is_over {
            return Ok(None);
        }
        let page = bus.dead_letters(self.filter.clone(), self.after.clone(), LETTERS_PER_PAGE).await?;
        for error in &page.damaged {
            tracing::error!(dead_letter = %error.id, reason = error.reason, "a damaged dead letter is stepped over and kept");
        }
        self.is_over = page.next.is_none();
        self.after = page.next;
        let was_there = |letter: &DeadLetter| {
            self.last.get(&letter.id.target).is_some_and(|last| letter.id.number <= *last)
        };
        Ok(Some(page.letters.into_iter().filter(was_there).collect()))
    }
}
