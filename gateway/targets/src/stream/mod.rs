//! The embedded stream: records of the journal, read in place, shard by shard.
//!
//! Nothing is copied and nothing is acknowledged: a consumer says with an iterator where it stands. Beside the journal
//! stands an index of where the stream has records, coarse enough to be small ([`index`]), so that reading never walks
//! through what is not its own. Sequence numbers are positions in the journal.
//!
//! | Read | for |
//! | --- | --- |
//! | [`shards`] | hash keys, shards, sequence numbers |
//! | [`index`] | which stretches of the journal concern the stream |
//! | [`iterator`] | what a consumer holds between two reads |
//! | [`deliver`] | put and get |
//! | [`keeper`] | retention, and keeping the index on disk |
//! | [`directory`] | all streams |
//!
//! Must not know: HTTP and the Kinesis protocol, which `api` speaks.

mod attributes;
mod definition;
mod deliver;
mod directory;
mod error;
mod index;
mod iterator;
mod keeper;
mod shards;

#[cfg(test)]
mod tests;

pub use attributes::Attributes;
pub use deliver::{Batch, Outgoing, Put, Record, Start, Stream};
pub use directory::{Settings, Streams};
pub use error::StreamError;
pub use iterator::ITERATOR_AGE_MS_MAX;
pub use shards::{HashRange, SHARDS_MAX, hash_key, hash_range, shard_id, shard_number, shard_of};

/// The kind of target, as in `stream/telemetry`.
pub const KIND: &str = "stream";
