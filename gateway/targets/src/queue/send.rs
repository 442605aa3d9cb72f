//! Sending: a message is a record of the journal, and what the queue made of it stands in the answer.

use bus::{Attribute, Record};
use journal::Offset;
use uuid::Uuid;

use super::deliver::Queue;
use super::error::{ParameterFault, QueueError};
use super::message::{self, Outgoing, Sent};

/// Longest message group id and deduplication id, in characters.
const ID_CHARACTERS_MAX: usize = 128;

impl Queue {
    /// Sends messages. Those that succeed are on disk when this returns; the outcomes stand in order. In a FIFO queue
    /// they stand in the order given, and after one for which there is no room none is taken; a duplicate succeeds as
    /// its original did, and is not delivered.
    pub async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Sent, QueueError>> {
        let now_ms = self.ground.clock.now_ms();
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            if let Err(error) = self.check(&message) {
                outcomes.push(Err(error));
                continue;
            }
            let record = message.into_record(self.target.clone(), now_ms);
            outcomes.push(Ok(Sent { id: message::sent_id(&record), sequence_number: None }));
            records.push(record);
        }
        let is_fifo = self.attributes().fifo;
        let accepted = match is_fifo {
            true => self.ground.intake.accept_in_order(&records, true).await,
            false => self.ground.intake.accept(&records).await,
        };
        let taken = outcomes.iter_mut().filter(|outcome| outcome.is_ok());
        for (outcome, (record, accepted)) in taken.zip(records.iter().zip(accepted)) {
            match accepted {
                Ok(offset) if is_fifo => *outcome = self.verdict(record, offset).await,
                Ok(_) => {}
                Err(error) => *outcome = Err(error.into()),
            }
        }
        outcomes
    }

    /// What became of a message in a FIFO queue: itself, or the original that it repeats.
    async fn verdict(&self, record: &Record, offset: Offset) -> Result<Sent, QueueError> {
        if !self.ground.intake.is_shown(offset).await {
            return Err(QueueError::NotWritten(crate::WriteError::Closed));
        }
        let own_id = message::sent_id(record);
        let Some(delivery) = message::sent_delivery(record, &self.target, offset) else {
            return Ok(Sent { id: own_id, sequence_number: None });
        };
        let key = message::deduplication_key(&delivery, &self.attributes());
        let contents = self.contents.lock();
        let original = contents.fifo.as_ref().and_then(|fifo| fifo.deduplication.original(key));
        drop(contents);
        // One that came later says nothing about this message.
        let original = original.filter(|original| original.position < delivery.position);
        let is_duplicate = original.filter(|original| delivery.accepted_at_ms < original.until_ms);
        Ok(match is_duplicate {
            Some(original) => Sent {
                id: Uuid::to_string(&original.message_id),
                sequence_number: Some(message::sequence_number(original.position)),
            },
            None => Sent { id: own_id, sequence_number: Some(message::sequence_number(delivery.position)) },
        })
    }

    fn check(&self, message: &Outgoing) -> Result<(), QueueError> {
        let attributes = self.attributes();
        let (bytes, bytes_max) = (size(message), attributes.message_bytes_max);
        if bytes > bytes_max as usize {
            return Err(QueueError::TooLarge { bytes, bytes_max });
        }
        let ids = [("MessageGroupId", &message.group), ("MessageDeduplicationId", &message.deduplication_id)];
        for (name, id) in ids {
            if id.as_ref().is_some_and(|id| !is_id(id)) {
                return Err(ParameterFault::Id { name }.into());
            }
        }
        if !attributes.fifo {
            return match message.deduplication_id {
                Some(_) => Err(ParameterFault::NotForStandard { name: "MessageDeduplicationId" }.into()),
                None => Ok(()),
            };
        }
        if message.group.is_none() {
            return Err(ParameterFault::Missing { name: "MessageGroupId" }.into());
        }
        if message.deduplication_id.is_none() && !attributes.content_based_deduplication {
            return Err(ParameterFault::NoDeduplicationId.into());
        }
        match message.delay_secs {
            Some(1..) => Err(ParameterFault::NotForFifo { name: "DelaySeconds" }.into()),
            _ => Ok(()),
        }
    }
}

/// Letters, digits and punctuation of ASCII, as SQS has it.
pub(super) fn is_id(id: &str) -> bool {
    (1..=ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The size of a message as SQS counts it: body, and names, types and values of the attributes.
fn size(message: &Outgoing) -> usize {
    let bytes = |each: &Attribute| each.name.len() + each.data_type.len() + each.value.len();
    message.body.len() + message.attributes.iter().map(bytes).sum::<usize>()
}

impl From<ParameterFault> for QueueError {
    fn from(fault: ParameterFault) -> Self {
        Self::Parameter(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_visible_ascii_and_bounded() {
        for id in ["a", "order-7/§"] {
            assert_eq!(is_id(id), id.is_ascii(), "{id}");
        }
        assert!(is_id(&"x".repeat(128)) && !is_id(&"x".repeat(129)));
        assert!(!is_id("") && !is_id("a b") && !is_id("a\n"));
    }
}
