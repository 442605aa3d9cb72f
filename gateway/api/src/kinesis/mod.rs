//! The Kinesis JSON protocol, `Kinesis_20131202.*` in `application/x-amz-json-1.1`.

mod describe;
mod faults;
mod records;
mod refused;
mod streams;

#[cfg(test)]
mod tests;

use crate::aws::{Operation, operations};

/// Every operation of the protocol that is answered.
pub(crate) const OPERATIONS: &[Operation] = operations![
    "CreateStream" => streams::create,
    "DeleteStream" => streams::delete,
    "ListStreams" => streams::list,
    "IncreaseStreamRetentionPeriod" => streams::increase_retention,
    "DecreaseStreamRetentionPeriod" => streams::decrease_retention,
    "AddTagsToStream" => streams::add_tags,
    "RemoveTagsFromStream" => streams::remove_tags,
    "ListTagsForStream" => streams::list_tags,
    "DescribeStream" => describe::stream,
    "DescribeStreamSummary" => describe::summary,
    "ListShards" => describe::shards,
    "DescribeLimits" => describe::limits,
    "PutRecord" => records::put,
    "PutRecords" => records::put_all,
    "GetShardIterator" => records::iterator,
    "GetRecords" => records::get,
    "SplitShard" => refused::resharding,
    "MergeShards" => refused::resharding,
    "UpdateShardCount" => refused::resharding,
    "RegisterStreamConsumer" => refused::consumers,
    "SubscribeToShard" => refused::consumers,
    "ListStreamConsumers" => refused::consumers,
    "StartStreamEncryption" => refused::encryption,
    "StopStreamEncryption" => refused::encryption,
];
