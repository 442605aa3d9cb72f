//! Queue attributes under SQS's names; all values are text there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use targets::queue::{Attributes, DeduplicationScope, Queue, Redrive, RedriveAllow, ThroughputLimit};

use super::faults::{fault, of};
use crate::aws::{Call, Fault, Nothing};

/// An attribute that is a number here.
struct Numeric {
    name: &'static str,
    get: fn(&Attributes) -> u32,
    set: fn(&mut Attributes, u32),
}

/// The attributes that can be set and are numbers.
const NUMERIC: &[Numeric] = &[
    Numeric { name: "DelaySeconds", get: |a| a.delay_secs, set: |a, value| a.delay_secs = value },
    Numeric {
        name: "MaximumMessageSize",
        get: |a| a.message_bytes_max,
        set: |a, value| a.message_bytes_max = value,
    },
    Numeric {
        name: "MessageRetentionPeriod",
        get: |a| a.retention_secs,
        set: |a, value| a.retention_secs = value,
    },
    Numeric {
        name: "ReceiveMessageWaitTimeSeconds",
        get: |a| a.receive_wait_secs,
        set: |a, value| a.receive_wait_secs = value,
    },
    Numeric {
        name: "VisibilityTimeout",
        get: |a| a.visibility_timeout_secs,
        set: |a, value| a.visibility_timeout_secs = value,
    },
];

type Measure = fn(&Call, &Queue) -> String;

/// What is measured, not set.
const MEASURED: &[(&str, Measure)] = &[
    ("ApproximateNumberOfMessages", |_, queue| queue.held().ready.to_string()),
    ("ApproximateNumberOfMessagesDelayed", |_, queue| queue.held().delayed.to_string()),
    ("ApproximateNumberOfMessagesNotVisible", |_, queue| {
        let held = queue.held();
        (held.in_flight + held.leaving).to_string()
    }),
    ("CreatedTimestamp", |_, queue| (queue.created_at_ms() / 1000).to_string()),
    ("LastModifiedTimestamp", |_, queue| (queue.created_at_ms() / 1000).to_string()),
    ("QueueArn", |call, queue| call.queue_arn(queue.name())),
];

/// An attribute that is one of a few words here.
struct Word {
    name: &'static str,
    words: &'static [&'static str],
    /// Which of the words it is.
    get: fn(&Attributes) -> usize,
    set: fn(&mut Attributes, usize),
}

/// The attributes of FIFO queues.
const WORDS: &[Word] = &[
    Word {
        name: "FifoQueue",
        words: &["false", "true"],
        get: |a| usize::from(a.fifo),
        set: |a, word| a.fifo = word == 1,
    },
    Word {
        name: "ContentBasedDeduplication",
        words: &["false", "true"],
        get: |a| usize::from(a.content_based_deduplication),
        set: |a, word| a.content_based_deduplication = word == 1,
    },
    Word {
        name: "DeduplicationScope",
        words: &["queue", "messageGroup"],
        get: |a| usize::from(a.deduplication_scope == DeduplicationScope::MessageGroup),
        set: |a, word| {
            a.deduplication_scope =
                if word == 1 { DeduplicationScope::MessageGroup } else { DeduplicationScope::Queue };
        },
    },
    Word {
        name: "FifoThroughputLimit",
        words: &["perQueue", "perMessageGroupId"],
        get: |a| usize::from(a.throughput_limit == ThroughputLimit::PerMessageGroupId),
        set: |a, word| {
            a.throughput_limit =
                if word == 1 { ThroughputLimit::PerMessageGroupId } else { ThroughputLimit::PerQueue };
        },
    },
];

/// Attributes that are JSON.
const POLICIES: &[&str] = &["RedrivePolicy", "RedriveAllowPolicy"];

/// Attributes that change nothing here, with the only values that may be set.
const IGNORED: &[(&str, &[&str])] =
    &[("Policy", &[""]), ("KmsMasterKeyId", &[""]), ("SqsManagedSseEnabled", &["false"])];

/// Attributes that a request sets, checked for form.
pub(super) struct Changes {
    numbers: Vec<(&'static Numeric, u32)>,
    words: Vec<(&'static Word, usize)>,
    redrive: Option<Option<Redrive>>,
    redrive_allow: Option<RedriveAllow>,
}

impl Changes {
    pub(super) fn read(call: &Call, values: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let mut changes = Self { numbers: Vec::new(), words: Vec::new(), redrive: None, redrive_allow: None };
        for (name, value) in values {
            if let Some(numeric) = NUMERIC.iter().find(|numeric| numeric.name == name) {
                let number =
                    value.trim().parse().map_err(|_| bent(name, value, "it must be a whole number"))?;
                changes.numbers.push((numeric, number));
            } else if let Some(word) = WORDS.iter().find(|word| word.name == name) {
                let index = word.words.iter().position(|known| known == value).ok_or_else(|| {
                    bent(name, value, &format!("it must be `{}`", word.words.join("` or `")))
                })?;
                changes.words.push((word, index));
            } else if name == "RedrivePolicy" {
                changes.redrive = Some(redrive(call, value)?);
            } else if name == "RedriveAllowPolicy" {
                changes.redrive_allow = Some(redrive_allow(call, value)?);
            } else {
                refuse_unless_ignored(name, value)?;
            }
        }
        Ok(changes)
    }

    pub(super) fn apply(self, attributes: &mut Attributes) {
        for (numeric, value) in self.numbers {
            (numeric.set)(attributes, value);
        }
        for (word, index) in self.words {
            (word.set)(attributes, index);
        }
        if let Some(redrive) = self.redrive {
            attributes.redrive = redrive;
        }
        if let Some(redrive_allow) = self.redrive_allow {
            attributes.redrive_allow = redrive_allow;
        }
    }
}

fn bent(name: &str, value: &str, why: &str) -> Fault {
    fault(
        "InvalidAttributeValue",
        format!("`{value}` can't be the value of the queue attribute `{name}`: {why}"),
    )
}

fn refuse_unless_ignored(name: &str, value: &str) -> Result<(), Fault> {
    match IGNORED.iter().find(|(ignored, _)| *ignored == name) {
        Some((_, values)) if values.contains(&value) => Ok(()),
        Some(_) => Err(bent(name, value, "this gateway does not do what it asks for")),
        None => Err(fault("InvalidAttributeName", format!("there is no queue attribute `{name}`"))),
    }
}

/// A redrive policy, `{"deadLetterTargetArn": "…", "maxReceiveCount": 5}`; SDKs write the number as text too.
fn redrive(call: &Call, text: &str) -> Result<Option<Redrive>, Fault> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let bent = |why: &str| bent("RedrivePolicy", text, why);
    let policy: serde_json::Value = serde_json::from_str(text).map_err(|_| bent("it must be JSON"))?;
    let arn = policy["deadLetterTargetArn"].as_str().ok_or_else(|| bent("it needs `deadLetterTargetArn`"))?;
    let name =
        call.name_in_arn(arn).ok_or_else(|| bent("`deadLetterTargetArn` is not the ARN of a queue here"))?;
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    let receives_max = count
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| (1..=1_000).contains(count))
        .ok_or_else(|| bent("`maxReceiveCount` must be from 1 to 1000"))?;
    Ok(Some(Redrive { dead_letter_queue: name.to_owned(), receives_max }))
}

/// A redrive allow policy, `{"redrivePermission": "byQueue", "sourceQueueArns": ["…"]}`.
fn redrive_allow(call: &Call, text: &str) -> Result<RedriveAllow, Fault> {
    if text.trim().is_empty() {
        return Ok(RedriveAllow::All);
    }
    let bent = |why: &str| bent("RedriveAllowPolicy", text, why);
    let policy: serde_json::Value = serde_json::from_str(text).map_err(|_| bent("it must be JSON"))?;
    let sources = &policy["sourceQueueArns"];
    match policy["redrivePermission"].as_str() {
        Some("allowAll") if sources.is_null() => Ok(RedriveAllow::All),
        Some("denyAll") if sources.is_null() => Ok(RedriveAllow::None),
        Some("allowAll" | "denyAll") => {
            Err(bent("`sourceQueueArns` goes with the permission `byQueue` only"))
        }
        Some("byQueue") => {
            let arns = sources.as_array().filter(|arns| !arns.is_empty());
            let arns = arns.ok_or_else(|| bent("the permission `byQueue` needs `sourceQueueArns`"))?;
            let name = |arn: &serde_json::Value| Some(call.name_in_arn(arn.as_str()?)?.to_owned());
            let names: Option<Vec<String>> = arns.iter().map(name).collect();
            Ok(RedriveAllow::Queues(names.ok_or_else(|| bent("a source is not the ARN of a queue here"))?))
        }
        _ => Err(bent("`redrivePermission` must be `allowAll`, `denyAll` or `byQueue`")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Got {
    attributes: BTreeMap<String, String>,
}

pub(super) async fn get(call: Call, request: Get) -> Result<Got, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let mut all = all(&call, &queue);
    if !request.attribute_names.iter().any(|name| name == "All") {
        let known = |name: &str| {
            POLICIES.contains(&name)
                || WORDS.iter().any(|word| word.name == name)
                || all.contains_key(name)
                || IGNORED.iter().any(|(ignored, _)| *ignored == name)
        };
        if let Some(unknown) = request.attribute_names.iter().find(|name| !known(name)) {
            return Err(fault("InvalidAttributeName", format!("there is no queue attribute `{unknown}`")));
        }
        all.retain(|name, _| request.attribute_names.contains(name));
    }
    Ok(Got { attributes: all })
}

fn all(call: &Call, queue: &Queue) -> BTreeMap<String, String> {
    let attributes = queue.attributes();
    let numeric = NUMERIC.iter().map(|each| (each.name.to_owned(), (each.get)(&attributes).to_string()));
    let measured = MEASURED.iter().map(|(name, measure)| ((*name).to_owned(), measure(call, queue)));
    let mut all: BTreeMap<String, String> = numeric.chain(measured).collect();
    all.insert("SqsManagedSseEnabled".to_owned(), "false".to_owned());
    if let Some(redrive) = &attributes.redrive {
        let policy = json!({
            "deadLetterTargetArn": call.queue_arn(&redrive.dead_letter_queue),
            "maxReceiveCount": redrive.receives_max,
        });
        all.insert("RedrivePolicy".to_owned(), policy.to_string());
    }
    let allow = match &attributes.redrive_allow {
        RedriveAllow::All => None,
        RedriveAllow::None => Some(json!({"redrivePermission": "denyAll"})),
        RedriveAllow::Queues(names) => {
            let arns: Vec<String> = names.iter().map(|name| call.queue_arn(name)).collect();
            Some(json!({"redrivePermission": "byQueue", "sourceQueueArns": arns}))
        }
    };
    all.extend(allow.map(|policy| ("RedriveAllowPolicy".to_owned(), policy.to_string())));
    if attributes.fifo {
        // A standard queue has none of these, as with SQS.
        let words = WORDS.iter().map(|word| (word.name, word.words[(word.get)(&attributes)]));
        all.extend(words.map(|(name, word)| (name.to_owned(), word.to_owned())));
    }
    all
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Set {
    queue_url: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

pub(super) async fn set(call: Call, request: Set) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let mut attributes = (*queue.attributes()).clone();
    Changes::read(&call, &request.attributes)?.apply(&mut attributes);
    call.aws.queues.set_attributes(queue.name(), attributes).await.map_err(|error| of(&error))?;
    Ok(Nothing {})
}
