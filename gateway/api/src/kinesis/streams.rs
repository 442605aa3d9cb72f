//! Making, listing, tagging and deleting streams.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use targets::stream::{Attributes, Stream};

use super::faults::{self, argument};
use crate::aws::{Call, Fault, Nothing};

/// How a request names a stream.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Which {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
}

impl Call {
    /// The ARN of a stream.
    pub(super) fn stream_arn(&self, name: &str) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{name}", self.aws.settings.region, self.aws.settings.account_id)
    }

    /// The stream that a request names.
    pub(super) fn stream(&self, which: &Which) -> Result<Arc<Stream>, Fault> {
        let name = match (&which.stream_name, &which.stream_arn) {
            (Some(name), _) => name,
            (None, Some(arn)) => {
                let name = arn.rsplit('/').next().unwrap_or_default();
                if *arn != self.stream_arn(name) {
                    let message = format!("`{arn}` is not the ARN of a stream here");
                    return Err(Fault::sender("ResourceNotFoundException", message));
                }
                name
            }
            (None, None) => return Err(faults::missing("StreamName")),
        };
        self.aws.streams.get(name).map_err(|error| faults::of(&error))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    stream_name: Option<String>,
    shard_count: Option<u32>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

pub(super) async fn create(call: Call, request: Create) -> Result<Nothing, Fault> {
    let name = request.stream_name.ok_or_else(|| faults::missing("StreamName"))?;
    // Without a count Kinesis scales by itself, beginning with four.
    let attributes = Attributes { shards: request.shard_count.unwrap_or(4), ..Attributes::default() };
    let made = call.aws.streams.create(&name, attributes, request.tags).await;
    made.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

pub(super) async fn delete(call: Call, request: Which) -> Result<Nothing, Fault> {
    let stream = call.stream(&request)?;
    call.aws.streams.delete(stream.name()).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    limit: Option<usize>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    stream_names: Vec<String>,
    has_more_streams: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    stream_summaries: Vec<Summary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: super::describe::Mode,
    stream_creation_timestamp: f64,
}

pub(super) async fn list(call: Call, request: List) -> Result<Listed, Fault> {
    let limit = request.limit.unwrap_or(100);
    if !(1..=10_000).contains(&limit) {
        return Err(argument("`Limit` must be from 1 to 10000"));
    }
    let after = request.exclusive_start_stream_name.or(request.next_token);
    let all = call.aws.streams.list();
    let rest: Vec<_> =
        all.iter().filter(|stream| after.as_deref().is_none_or(|after| stream.name() > after)).collect();
    let has_more_streams = rest.len() > limit;
    let page = &rest[..limit.min(rest.len())];
    let summary = |stream: &&Arc<Stream>| Summary {
        stream_name: stream.name().to_owned(),
        stream_arn: call.stream_arn(stream.name()),
        stream_status: "ACTIVE",
        stream_mode_details: super::describe::PROVISIONED,
        stream_creation_timestamp: seconds(stream.created_at_ms()),
    };
    Ok(Listed {
        stream_names: page.iter().map(|stream| stream.name().to_owned()).collect(),
        has_more_streams,
        next_token: page.last().filter(|_| has_more_streams).map(|stream| stream.name().to_owned()),
        stream_summaries: page.iter().map(summary).collect(),
    })
}

/// A time as the protocol writes it.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double for 285,000 years")]
pub(super) fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1000.0
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Retention {
    #[serde(flatten)]
    which: Which,
    retention_period_hours: Option<u32>,
}

pub(super) async fn increase_retention(call: Call, request: Retention) -> Result<Nothing, Fault> {
    set_retention(call, request, |before, after| after >= before, "more").await
}

pub(super) async fn decrease_retention(call: Call, request: Retention) -> Result<Nothing, Fault> {
    set_retention(call, request, |before, after| after <= before, "less").await
}

async fn set_retention(
    call: Call,
    request: Retention,
    is_change: fn(u32, u32) -> bool,
    word: &str,
) -> Result<Nothing, Fault> {
    let stream = call.stream(&request.which)?;
    let hours = request.retention_period_hours.ok_or_else(|| faults::missing("RetentionPeriodHours"))?;
    let before = stream.attributes().retention_hours;
    if !is_change(before, hours) {
        return Err(argument(format!("{hours} hours are not {word} than the {before} that are set")));
    }
    let set = call.aws.streams.set_retention_hours(stream.name(), hours).await;
    set.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeTags {
    #[serde(flatten)]
    which: Which,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// Most tags of a stream, as with Kinesis.
const TAGS_MAX: usize = 50;

pub(super) async fn add_tags(call: Call, request: ChangeTags) -> Result<Nothing, Fault> {
    let stream = call.stream(&request.which)?;
    let mut all = call.aws.streams.tags(stream.name()).map_err(|error| faults::of(&error))?;
    all.extend(request.tags.clone());
    if all.len() > TAGS_MAX {
        return Err(argument(format!("a stream has at most {TAGS_MAX} tags")));
    }
    let change = move |tags: &mut BTreeMap<String, String>| tags.extend(request.tags);
    call.aws.streams.change_tags(stream.name(), change).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

pub(super) async fn remove_tags(call: Call, request: ChangeTags) -> Result<Nothing, Fault> {
    let stream = call.stream(&request.which)?;
    let change = move |tags: &mut BTreeMap<String, String>| {
        tags.retain(|key, _| !request.tag_keys.contains(key));
    };
    call.aws.streams.change_tags(stream.name(), change).await.map_err(|error| faults::of(&error))?;
    Ok(Nothing {})
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tags {
    tags: Vec<Tag>,
    has_more_tags: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

pub(super) async fn list_tags(call: Call, request: Which) -> Result<Tags, Fault> {
    let stream = call.stream(&request)?;
    let tags = call.aws.streams.tags(stream.name()).map_err(|error| faults::of(&error))?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(Tags { tags, has_more_tags: false })
}
