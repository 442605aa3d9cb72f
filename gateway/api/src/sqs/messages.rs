//! Sending and receiving.

use std::collections::{BTreeMap, HashSet};

use bus::Attribute;
use serde::{Deserialize, Serialize};
use targets::queue::{Outgoing, Queue, Receive, Received};

use super::faults::{self, fault, invalid_value};
use super::values::{self, Values};
use crate::aws::{Call, Fault};

/// Most entries in a batch, and most messages in an answer.
const BATCH_MAX: usize = 10;

/// Most bytes in a batch of messages: SQS's 1 MiB.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// One message to send, alone or as an entry of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send {
    queue_url: Option<String>,
    id: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<u32>,
    #[serde(default)]
    message_attributes: Values,
    #[serde(default)]
    message_system_attributes: Values,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    body_digest: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_digest: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    system_attributes_digest: Option<String>,
    /// Of a FIFO queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

/// A message that was read, with the digests that its sender expects back.
struct Checked {
    outgoing: Outgoing,
    body_digest: String,
    attributes_digest: Option<String>,
    system_attributes_digest: Option<String>,
}

impl Checked {
    fn read(call: &Call, request: Send) -> Result<Self, Fault> {
        let body = request
            .message_body
            .filter(|body| !body.is_empty())
            .ok_or_else(|| faults::missing("MessageBody"))?;
        if !values::is_text(&body) {
            return Err(fault(
                "InvalidMessageContents",
                "the message body has characters that a message can't hold",
            ));
        }
        if request.delay_seconds.is_some_and(|secs| secs > 900) {
            return Err(invalid_value("`DelaySeconds` must be from 0 to 900"));
        }
        let attributes = values::read(&request.message_attributes)?;
        let system = values::read(&request.message_system_attributes)?;
        let mut system_values = request.message_system_attributes;
        let trace = system_values.remove("AWSTraceHeader").and_then(values::Value::into_text);
        if let Some(name) = system_values.keys().next() {
            return Err(invalid_value(format!("there is no message system attribute `{name}` to send")));
        }
        let digest =
            |attributes: &[Attribute]| values::attributes_digest(&attributes.iter().collect::<Vec<_>>());
        Ok(Self {
            body_digest: values::body_digest(&body),
            attributes_digest: digest(&attributes),
            system_attributes_digest: digest(&system),
            outgoing: Outgoing {
                body,
                attributes,
                delay_secs: request.delay_seconds,
                sender: call.caller.name().to_owned(),
                group: request.message_group_id,
                deduplication_id: request.message_deduplication_id,
                trace,
            },
        })
    }

    fn bytes(&self) -> usize {
        let attributes = self.outgoing.attributes.iter();
        let attributes = attributes.map(|each| each.name.len() + each.data_type.len() + each.value.len());
        self.outgoing.body.len() + attributes.sum::<usize>()
    }
}

pub(super) async fn send(call: Call, request: Send) -> Result<Sent, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let checked = Checked::read(&call, request)?;
    let mut outcomes = send_all(&queue, vec![(None, checked)]).await;
    outcomes.pop().expect("one message has one outcome").1
}

async fn send_all(
    queue: &Queue,
    messages: Vec<(Option<String>, Checked)>,
) -> Vec<(Option<String>, Result<Sent, Fault>)> {
    let mut digests = Vec::with_capacity(messages.len());
    let mut outgoing = Vec::with_capacity(messages.len());
    for (id, checked) in messages {
        let Checked { outgoing: message, body_digest, attributes_digest, system_attributes_digest } = checked;
        digests.push((id, body_digest, attributes_digest, system_attributes_digest));
        outgoing.push(message);
    }
    let outcomes = queue.send(outgoing).await.into_iter().zip(digests);
    outcomes
        .map(|(outcome, (id, body_digest, attributes_digest, system_attributes_digest))| {
            let sent = outcome.map_err(|error| faults::of(&error)).map(|sent| Sent {
                id: id.clone(),
                message_id: sent.id,
                body_digest,
                attributes_digest,
                system_attributes_digest,
                sequence_number: sent.sequence_number,
            });
            (id, sent)
        })
        .collect()
}

/// A batch in a request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    pub(super) queue_url: Option<String>,
    #[serde(default = "Vec::new")]
    pub(super) entries: Vec<T>,
}

/// What became of a batch.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchOutcome<T> {
    successful: Vec<T>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: &'static str,
    message: String,
    sender_fault: bool,
}

impl<T> BatchOutcome<T> {
    pub(super) fn new(outcomes: impl IntoIterator<Item = (String, Result<T, Fault>)>) -> Self {
        let mut batch = Self { successful: Vec::new(), failed: Vec::new() };
        for (id, outcome) in outcomes {
            match outcome {
                Ok(done) => batch.successful.push(done),
                Err(Fault { status, code, query_code, message }) => batch.failed.push(Failed {
                    id,
                    code: query_code.unwrap_or(code),
                    message,
                    sender_fault: !status.is_server_error(),
                }),
            }
        }
        batch
    }
}

/// Checks the ids of a batch's entries and returns them.
pub(super) fn check_ids<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Result<Vec<String>, Fault> {
    let ids: Option<Vec<&str>> = ids.collect();
    let ids = ids.ok_or_else(|| faults::missing("Id"))?;
    if ids.is_empty() {
        return Err(fault("EmptyBatchRequest", "a batch needs at least one entry"));
    }
    if ids.len() > BATCH_MAX {
        let message = format!("a batch has at most {BATCH_MAX} entries; this one has {}", ids.len());
        return Err(fault("TooManyEntriesInBatchRequest", message));
    }
    let legal = |id: &str| {
        (1..=80).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if let Some(id) = ids.iter().find(|id| !legal(id)) {
        let message = format!("`{id}` can't be the id of an entry; use 1 to 80 letters, digits, `-` and `_`");
        return Err(fault("InvalidBatchEntryId", message));
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(fault("BatchEntryIdsNotDistinct", "two entries of the batch have the same id"));
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

pub(super) async fn send_batch(call: Call, request: Batch<Send>) -> Result<BatchOutcome<Sent>, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let ids = check_ids(request.entries.iter().map(|entry| entry.id.as_deref()))?;
    let mut good = Vec::new();
    let mut outcomes = Vec::new();
    let mut bytes = 0;
    for (id, entry) in ids.into_iter().zip(request.entries) {
        match Checked::read(&call, entry) {
            Ok(checked) => {
                bytes += checked.bytes();
                good.push((Some(id), checked));
            }
            Err(fault) => outcomes.push((id, Err(fault))),
        }
    }
    if bytes > BATCH_BYTES_MAX {
        let message =
            format!("the batch has {bytes} bytes, attributes included; the limit is {BATCH_BYTES_MAX}");
        return Err(fault("BatchRequestTooLong", message));
    }
    let sent = send_all(&queue, good).await;
    outcomes.extend(sent.into_iter().map(|(id, outcome)| (id.unwrap_or_default(), outcome)));
    Ok(BatchOutcome::new(outcomes))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveRequest {
    queue_url: Option<String>,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u32>,
    wait_time_seconds: Option<u32>,
    receive_request_attempt_id: Option<String>,
    /// The older name of the next one.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Messages {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    body_digest: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_digest: Option<String>,
    #[serde(skip_serializing_if = "Values::is_empty")]
    message_attributes: Values,
}

pub(super) async fn receive(call: Call, request: ReceiveRequest) -> Result<Messages, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let messages_max = request.max_number_of_messages.unwrap_or(1);
    if !(1..=BATCH_MAX).contains(&messages_max) {
        return Err(invalid_value(format!("`MaxNumberOfMessages` must be from 1 to {BATCH_MAX}")));
    }
    if request.wait_time_seconds.is_some_and(|secs| secs > 20) {
        return Err(invalid_value("`WaitTimeSeconds` must be from 0 to 20"));
    }
    super::visibility::check_timeout(request.visibility_timeout)?;
    let wait_secs = request.wait_time_seconds.unwrap_or(queue.attributes().receive_wait_secs);
    let _long_poll = match wait_secs {
        0 => None,
        _ => Some(call.aws.long_polls.try_acquire().map_err(|_| Fault {
            code: "RequestThrottled",
            ..Fault::unavailable("as many long polls wait as may; try again later")
        })?),
    };
    let receive = Receive {
        messages_max,
        visibility_secs: request.visibility_timeout,
        wait_secs: Some(wait_secs),
        attempt_id: request.receive_request_attempt_id,
    };
    let received = queue.receive(receive).await.map_err(|error| faults::of(&error))?;
    let mut system_names = request.message_system_attribute_names;
    system_names.extend(request.attribute_names);
    let wanted = request.message_attribute_names;
    let messages = received.into_iter().map(|received| message(&call, received, &system_names, &wanted));
    Ok(Messages { messages: messages.collect() })
}

fn message(call: &Call, received: Received, system_names: &[String], wanted: &[String]) -> Message {
    let attributes = system_attributes(call, &received, system_names);
    let chosen: Vec<&Attribute> =
        received.attributes.iter().filter(|attribute| is_wanted(&attribute.name, wanted)).collect();
    Message {
        body_digest: values::body_digest(&received.body),
        attributes,
        attributes_digest: values::attributes_digest(&chosen),
        message_attributes: values::write(&chosen),
        message_id: received.id,
        receipt_handle: received.handle,
        body: received.body,
    }
}

/// True when a list of names asks for an attribute: by name, by `prefix.*`, or `All`.
fn is_wanted(name: &str, wanted: &[String]) -> bool {
    wanted.iter().any(|wanted| match wanted.as_str() {
        "All" | ".*" => true,
        exact if exact == name => true,
        pattern => pattern.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix)),
    })
}

fn system_attributes(call: &Call, received: &Received, names: &[String]) -> BTreeMap<&'static str, String> {
    let all = [
        ("ApproximateReceiveCount", Some(received.receives.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(received.first_received_at_ms.to_string())),
        ("SentTimestamp", Some(received.sent_at_ms.to_string())),
        ("SenderId", Some(received.sender.clone())),
        ("MessageGroupId", received.group.clone()),
        ("MessageDeduplicationId", received.deduplication_id.clone()),
        ("SequenceNumber", received.sequence_number.clone()),
        ("AWSTraceHeader", received.trace.clone()),
        ("DeadLetterQueueSourceArn", received.dead_letter_source.as_deref().map(|name| call.queue_arn(name))),
    ];
    let wanted = |name: &str| names.iter().any(|wanted| wanted == name || wanted == "All");
    all.into_iter()
        .filter(|(name, _)| wanted(name))
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}
