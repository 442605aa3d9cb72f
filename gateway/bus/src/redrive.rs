//! Looking at dead letters, sending them again, deleting them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
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

impl Bus {
    /// The dead letters that match, by target, oldest first, beginning after `after`.
    ///
    /// # Errors
    /// The store fails, or a letter is damaged.
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
        self.redrive_one(letter).await?;
        Ok(true)
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
        let mut pace = per_second_max.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate.get()));
        if let Some(pace) = &mut pace {
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut walk = Walk::new(self, filter);
        let mut redriven = 0;
        while let Some(letters) = walk.next(self).await? {
            for letter in letters {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                self.redrive_one(letter).await?;
                redriven += 1;
            }
        }
        Ok(redriven)
    }

    /// The event is durable before the letter goes: a crash between leaves both, never neither.
    async fn redrive_one(&self, letter: DeadLetter) -> Result<(), RedriveError> {
        let sent = self.send(&letter.to_record()).await;
        let id = letter.id;
        sent.map_err(|source| RedriveError::Append { id: id.clone(), source })?;
        tracing::info!(dead_letter = %id, event_id = %letter.delivery.id, "dead letter sent again");
        self.blocking(move |letters| letters.remove(&[id].into(), LetterRemoval::Redriven)).await?;
        Ok(())
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
        self.is_over = page.next.is_none();
        self.after = page.next;
        let was_there = |letter: &DeadLetter| {
            self.last.get(&letter.id.target).is_some_and(|last| letter.id.number <= *last)
        };
        Ok(Some(page.letters.into_iter().filter(was_there).collect()))
    }
}
