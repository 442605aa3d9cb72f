//! The embedded stream as the AWS SDK for Rust sees it: unmodified, every request signed, the gateway killed in between.

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_sdk_kinesis::Client as Kinesis;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record, Shard, ShardIteratorType as From};
use end_to_end::{Gateway, Site};
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

const KEY_ID: &str = "AKIATEST";
const SECRET: &str = "a secret of a test";
const STREAM: &str = "telemetry";

const SETTINGS: &str = r#"
[[stream]]
name = "telemetry"
shards = 2

[api]
address = "ADDRESS"

[[api.access_key]]
id = "AKIATEST"
secret_file = "secret"
"#;

/// A site with a stream of two shards, where every request is signed.
fn site() -> anyhow::Result<Site> {
    let site = Site::new(SETTINGS)?;
    site.change_settings("ADDRESS", &site.api_address.to_string())?;
    site.write("secret", &format!("{SECRET}\n"))?;
    Ok(site)
}

fn sdk(gateway: &Gateway, secret: &str) -> Kinesis {
    let settings = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(gateway.consumer.origin())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys(KEY_ID, secret, None))
        .build();
    Kinesis::from_conf(settings)
}

async fn shards(kinesis: &Kinesis) -> anyhow::Result<Vec<Shard>> {
    let listed = kinesis.list_shards().stream_name(STREAM).send().await?;
    Ok(listed.shards.unwrap_or_default())
}

/// Where to begin to read a shard.
enum Begin<'a> {
    Horizon,
    Latest,
    At(&'a str),
    After(&'a str),
    Time(DateTime),
}

async fn iterator(kinesis: &Kinesis, shard: &str, begin: Begin<'_>) -> anyhow::Result<String> {
    let ask = kinesis.get_shard_iterator().stream_name(STREAM).shard_id(shard);
    let ask = match begin {
        Begin::Horizon => ask.shard_iterator_type(From::TrimHorizon),
        Begin::Latest => ask.shard_iterator_type(From::Latest),
        Begin::At(number) => ask.shard_iterator_type(From::AtSequenceNumber).starting_sequence_number(number),
        Begin::After(number) => {
            ask.shard_iterator_type(From::AfterSequenceNumber).starting_sequence_number(number)
        }
        Begin::Time(time) => ask.shard_iterator_type(From::AtTimestamp).timestamp(time),
    };
    ask.send().await?.shard_iterator.context("an iterator")
}

/// What is there from an iterator on; the last answer says that nothing is left behind it.
async fn read(kinesis: &Kinesis, mut iterator: String) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    loop {
        let answer = kinesis.get_records().shard_iterator(&iterator).limit(3).send().await?;
        let behind = answer.millis_behind_latest();
        let is_empty = answer.records.is_empty();
        records.extend(answer.records);
        if is_empty && behind == Some(0) {
            return Ok(records);
        }
        iterator = answer.next_shard_iterator.context("an open shard has a next iterator")?;
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record.data().as_ref()).into_owned()).collect()
}

/// Puts ten records by one call, each into the shard whose first hash key it names; the answer is the sequence number of each.
async fn put_ten(kinesis: &Kinesis, shards: &[Shard]) -> anyhow::Result<Vec<String>> {
    let entry = |number: usize| -> anyhow::Result<PutRecordsRequestEntry> {
        let range = shards[number % shards.len()].hash_key_range().context("a range")?;
        let entry = PutRecordsRequestEntry::builder()
            .data(Blob::new(number.to_string()))
            .partition_key("any")
            .explicit_hash_key(range.starting_hash_key());
        Ok(entry.build()?)
    };
    let entries = (0..10).map(entry).collect::<anyhow::Result<Vec<_>>>()?;
    let put = kinesis.put_records().stream_name(STREAM).set_records(Some(entries)).send().await?;
    assert_eq!(put.failed_record_count(), Some(0));
    let numbers = put.records.iter().enumerate().map(|(number, record)| {
        assert_eq!(record.shard_id(), Some(shards[number % shards.len()].shard_id()));
        record.sequence_number().map(str::to_string).context("a sequence number")
    });
    numbers.collect()
}

#[test]
fn what_the_sdk_put_is_read_from_every_kind_of_iterator_also_after_a_kill() -> anyhow::Result<()> {
    let site = site()?;
    let mut gateway = Gateway::start(&site)?;
    let runtime = Runtime::new()?;
    let (numbers, latest) = runtime.block_on(async {
        let kinesis = sdk(&gateway, SECRET);
        let shards = shards(&kinesis).await?;
        assert_eq!(shards.len(), 2);
        let latest = iterator(&kinesis, shards[0].shard_id(), Begin::Latest).await?;
        anyhow::Ok((put_ten(&kinesis, &shards).await?, latest))
    })?;
    gateway.kill_and_start_again()?;
    runtime.block_on(async {
        let kinesis = sdk(&gateway, SECRET);
        let first = shards(&kinesis).await?[0].shard_id().to_string();
        let all = ["0", "2", "4", "6", "8"];
        let records = read(&kinesis, iterator(&kinesis, &first, Begin::Horizon).await?).await?;
        assert_eq!(texts(&records), all);
        assert!(records.iter().all(|record| record.partition_key() == Some("any")));
        let arrived = *records[0].approximate_arrival_timestamp().context("a time")?;
        assert_eq!(texts(&read(&kinesis, latest).await?), all, "an iterator of before the kill");
        let (begin, behind) = (&numbers[4], &numbers[4]);
        assert_eq!(
            texts(&read(&kinesis, iterator(&kinesis, &first, Begin::At(begin)).await?).await?),
            all[2..]
        );
        let after = iterator(&kinesis, &first, Begin::After(behind)).await?;
        assert_eq!(texts(&read(&kinesis, after).await?), all[3..]);
        let since = iterator(&kinesis, &first, Begin::Time(arrived)).await?;
        assert_eq!(texts(&read(&kinesis, since).await?), all);
        let an_hour_ago = DateTime::from(SystemTime::now() - Duration::from_secs(3_600));
        let since = iterator(&kinesis, &first, Begin::Time(an_hour_ago)).await?;
        assert_eq!(texts(&read(&kinesis, since).await?), all);
        Ok(())
    })
}

#[test]
fn the_sdk_changes_retention_and_is_told_what_is_refused() -> anyhow::Result<()> {
    let site = site()?;
    let gateway = Gateway::start(&site)?;
    Runtime::new()?.block_on(async {
        let kinesis = sdk(&gateway, SECRET);
        kinesis
            .increase_stream_retention_period()
            .stream_name(STREAM)
            .retention_period_hours(48)
            .send()
            .await?;
        let summary = kinesis.describe_stream_summary().stream_name(STREAM).send().await?;
        let summary = summary.stream_description_summary().context("a summary")?;
        assert_eq!((summary.retention_period_hours(), summary.open_shard_count()), (48, 2));
        kinesis
            .decrease_stream_retention_period()
            .stream_name(STREAM)
            .retention_period_hours(24)
            .send()
            .await?;
        let shard = shards(&kinesis).await?[0].shard_id().to_string();
        let split =
            kinesis.split_shard().stream_name(STREAM).shard_to_split(&shard).new_starting_hash_key("7");
        let refused = split.send().await.err().context("refused")?.into_service_error();
        assert_eq!(refused.code(), Some("InvalidArgumentException"));
        let put = kinesis.put_record().stream_name("nowhere").partition_key("a").data(Blob::new("1"));
        let refused = put.send().await.err().context("refused")?.into_service_error();
        assert_eq!(refused.code(), Some("ResourceNotFoundException"));
        let stranger = sdk(&gateway, "another secret").list_streams().send().await;
        let refused = stranger.err().context("refused")?.into_service_error();
        assert_eq!(refused.code(), Some("SignatureDoesNotMatch"));
        Ok(())
    })
}
