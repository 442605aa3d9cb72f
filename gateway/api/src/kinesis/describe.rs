//! What there is to know about a stream and its shards.

use serde::{Deserialize, Serialize};
use targets::stream::{Stream, hash_range, shard_id};

use super::faults::{self, argument};
use super::streams::{Which, seconds};
use crate::aws::{Call, Fault};

/// Most shards in one answer.
const SHARDS_MAX: usize = 10_000;

/// How the number of shards is decided.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Mode {
    stream_mode: &'static str,
}

/// The number of shards stays as it was declared.
pub(super) const PROVISIONED: Mode = Mode { stream_mode: "PROVISIONED" };

/// What both descriptions say.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Common {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_status: &'static str,
    stream_mode_details: Mode,
    retention_period_hours: u32,
    stream_creation_timestamp: f64,
    enhanced_monitoring: [Monitoring; 1],
    encryption_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Monitoring {
    shard_level_metrics: [String; 0],
}

impl Common {
    fn of(call: &Call, stream: &Stream) -> Self {
        Self {
            stream_name: stream.name().to_owned(),
            stream_arn: call.stream_arn(stream.name()),
            stream_status: "ACTIVE",
            stream_mode_details: PROVISIONED,
            retention_period_hours: stream.attributes().retention_hours,
            stream_creation_timestamp: seconds(stream.created_at_ms()),
            enhanced_monitoring: [Monitoring { shard_level_metrics: [] }],
            encryption_type: "NONE",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shard {
    shard_id: String,
    hash_key_range: HashKeyRange,
    sequence_number_range: SequenceNumberRange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    starting_sequence_number: String,
}

fn shards_after(stream: &Stream, after: Option<&str>, count_max: usize) -> Result<(Vec<Shard>, bool), Fault> {
    let first = match after {
        Some(id) => stream.shard(id).map_err(|error| faults::of(&error))? + 1,
        None => 0,
    };
    let shard = |number| {
        let range = hash_range(number, stream.shard_count());
        Shard {
            shard_id: shard_id(number),
            hash_key_range: HashKeyRange {
                starting_hash_key: range.first.to_string(),
                ending_hash_key: range.last.to_string(),
            },
            sequence_number_range: SequenceNumberRange {
                starting_sequence_number: stream.starting_sequence_number(),
            },
        }
    };
    let rest = first..stream.shard_count();
    let has_more = rest.len() > count_max;
    Ok((rest.take(count_max).map(shard).collect(), has_more))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(flatten)]
    which: Which,
    limit: Option<usize>,
    exclusive_start_shard_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    stream_description: Description,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(flatten)]
    common: Common,
    shards: Vec<Shard>,
    has_more_shards: bool,
}

pub(super) async fn stream(call: Call, request: Describe) -> Result<Described, Fault> {
    let stream = call.stream(&request.which)?;
    let limit = request.limit.unwrap_or(100).clamp(1, SHARDS_MAX);
    let (shards, has_more_shards) =
        shards_after(&stream, request.exclusive_start_shard_id.as_deref(), limit)?;
    let common = Common::of(&call, &stream);
    Ok(Described { stream_description: Description { common, shards, has_more_shards } })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Summarised {
    stream_description_summary: Summary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    #[serde(flatten)]
    common: Common,
    open_shard_count: u32,
    consumer_count: u32,
}

pub(super) async fn summary(call: Call, request: Which) -> Result<Summarised, Fault> {
    let stream = call.stream(&request)?;
    let common = Common::of(&call, &stream);
    let open_shard_count = stream.shard_count();
    Ok(Summarised { stream_description_summary: Summary { common, open_shard_count, consumer_count: 0 } })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    #[serde(flatten)]
    which: Which,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shards {
    shards: Vec<Shard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// A token is the stream's name and the last shard listed, since a request with a token does not name the stream.
pub(super) async fn shards(call: Call, request: ListShards) -> Result<Shards, Fault> {
    let count_max = request.max_results.unwrap_or(1_000);
    if !(1..=SHARDS_MAX).contains(&count_max) {
        return Err(argument(format!("`MaxResults` must be from 1 to {SHARDS_MAX}")));
    }
    let (stream, after) = match &request.next_token {
        Some(token) => {
            let (name, after) =
                token.rsplit_once(':').ok_or_else(|| argument("the token was not made here"))?;
            (call.aws.streams.get(name).map_err(|error| faults::of(&error))?, Some(after.to_owned()))
        }
        None => (call.stream(&request.which)?, request.exclusive_start_shard_id),
    };
    let (shards, has_more) = shards_after(&stream, after.as_deref(), count_max)?;
    let last = shards.last().filter(|_| has_more);
    let next_token = last.map(|shard| format!("{}:{}", stream.name(), shard.shard_id));
    Ok(Shards { shards, next_token })
}

#[derive(Deserialize)]
pub(super) struct LimitsRequest {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Limits {
    shard_limit: u32,
    open_shard_count: u32,
    on_demand_stream_count: u32,
    on_demand_stream_count_limit: u32,
}

pub(super) async fn limits(call: Call, _request: LimitsRequest) -> Result<Limits, Fault> {
    let streams = call.aws.streams.list();
    Ok(Limits {
        shard_limit: targets::stream::SHARDS_MAX,
        open_shard_count: streams.iter().map(|stream| stream.shard_count()).sum(),
        on_demand_stream_count: 0,
        on_demand_stream_count_limit: 0,
    })
}
