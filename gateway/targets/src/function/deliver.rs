//! Events in, outcomes out.

use std::collections::HashSet;

use async_trait::async_trait;
use bus::{Delivery, Health, Outcome, Target};
use bytes::Bytes;

use super::error::InvokeError;
use super::invoke::{Function, HANDLER_ERROR, Response};
use super::payload::{self, Verdict};

#[async_trait]
impl Target for Function {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Outcomes::new(batch);
        if self.settings.batch_size == 1 {
            for (place, delivery) in batch.iter().enumerate() {
                if outcomes.may_go(place) {
                    outcomes.set(place, self.deliver_single(delivery).await);
                }
            }
        } else {
            self.deliver_records(batch, &mut outcomes).await;
        }
        outcomes.finish()
    }

    async fn health(&self) -> Health {
        self.state().health
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

impl Function {
    async fn deliver_single(&self, delivery: &Delivery) -> Outcome {
        match self.invoke(payload::single(delivery)).await {
            Ok(response) => failed_handler(&response).unwrap_or(Outcome::Delivered),
            Err(error) => outcome_of(&error),
        }
    }

    /// Makes as few calls as the limits allow.
    async fn deliver_records(&self, batch: &[Delivery], outcomes: &mut Outcomes<'_>) {
        let arn = self.settings.arn();
        let mut call: Vec<(usize, Bytes)> = Vec::new();
        for (place, delivery) in batch.iter().enumerate() {
            let record = payload::record(delivery, &arn, &self.settings.region);
            let sizes = call.iter().map(|(_, record)| record.len()).chain([record.len()]);
            let is_full = call.len() >= self.settings.batch_size
                || payload::batch_bytes(sizes) > self.settings.payload_bytes_max;
            if is_full && !call.is_empty() {
                self.call_with(batch, std::mem::take(&mut call), outcomes).await;
            }
            call.push((place, record));
        }
        self.call_with(batch, call, outcomes).await;
    }

    async fn call_with(
        &self,
        batch: &[Delivery],
        mut call: Vec<(usize, Bytes)>,
        outcomes: &mut Outcomes<'_>,
    ) {
        call.retain(|(place, _)| outcomes.may_go(*place));
        if call.is_empty() {
            return;
        }
        let (places, records): (Vec<usize>, Vec<Bytes>) = call.into_iter().unzip();
        let traceparent = places.iter().find_map(|place| batch[*place].traceparent.clone());
        let all = |outcome: Outcome| vec![outcome; places.len()];
        let of_each = match self.invoke(payload::batch(&records, traceparent)).await {
            Err(error) => all(outcome_of(&error)),
            Ok(response) => match failed_handler(&response) {
                Some(failed) => all(failed),
                None => {
                    let ids: Vec<&str> = places.iter().map(|place| batch[*place].id.as_str()).collect();
                    named_failures(&response, &ids)
                }
            },
        };
        for (place, outcome) in places.iter().zip(of_each) {
            outcomes.set(*place, outcome);
        }
    }
}

fn failed_handler(response: &Response) -> Option<Outcome> {
    let error = response.error.as_ref()?;
    Some(Outcome::retry(HANDLER_ERROR, format!("{error} (request {})", response.request_id)))
}

fn named_failures(response: &Response, ids: &[&str]) -> Vec<Outcome> {
    match payload::failures(&response.payload, ids) {
        Verdict::Unclear(why) => vec![Outcome::retry("BATCH_RESPONSE", why); ids.len()],
        Verdict::AllBut(failed) => {
            let mut outcomes = vec![Outcome::Delivered; ids.len()];
            for place in failed {
                outcomes[place] =
                    Outcome::retry("BATCH_ITEM_FAILURE", "the function named it in `batchItemFailures`");
            }
            outcomes
        }
    }
}

fn outcome_of(error: &InvokeError) -> Outcome {
    let (code, reason) = (error.code(), error.to_string());
    match error {
        InvokeError::PayloadTooLarge { .. } => Outcome::reject(code, reason),
        InvokeError::Resting { rest, .. } => {
            Outcome::Retry { reason, code: code.to_owned(), after: Some(*rest) }
        }
        _ => Outcome::retry(code, reason),
    }
}

/// The outcomes of a batch. Once an event of a key is to be tried again, so are the later ones of that key.
struct Outcomes<'a> {
    batch: &'a [Delivery],
    outcomes: Vec<Option<Outcome>>,
    held_keys: HashSet<&'a str>,
}

impl<'a> Outcomes<'a> {
    fn new(batch: &'a [Delivery]) -> Self {
        Self { batch, outcomes: vec![None; batch.len()], held_keys: HashSet::new() }
    }

    fn may_go(&self, place: usize) -> bool {
        !self.held_keys.contains(self.batch[place].partition_key.as_str())
    }

    fn set(&mut self, place: usize, outcome: Outcome) {
        // An event that was handled behind one that failed is handed over again, after that one.
        if !self.may_go(place) {
            return;
        }
        if matches!(outcome, Outcome::Retry { .. }) {
            self.held_keys.insert(&self.batch[place].partition_key);
        }
        self.outcomes[place] = Some(outcome);
    }

    fn finish(self) -> Vec<Outcome> {
        let held = || Outcome::retry("BEHIND_A_RETRY", "an earlier event of its key is tried again");
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(held)).collect()
    }
}
