//! What a stream can be told about itself.

use super::error::StreamError;
use super::shards::SHARDS_MAX;

/// The attributes of a stream.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attributes {
    /// How many shards: 1 to [`SHARDS_MAX`]. Default 1.
    pub shards: u32,
    /// How long records are kept: 1 to 8,760 hours (a year). Default 24. Kinesis begins at 24; an hour suits small
    /// disks.
    pub retention_hours: u32,
    /// Most bytes of data kept, the oldest go first. Default 1 GiB.
    pub retention_bytes_max: u64,
    /// Largest record, partition key included: up to 10 MiB, and never more than a journal record holds. Default 1 MiB.
    pub record_bytes_max: u32,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { shards: 1, retention_hours: 24, retention_bytes_max: 1 << 30, record_bytes_max: 1 << 20 }
    }
}

impl Attributes {
    /// Checks every attribute.
    ///
    /// # Errors
    /// The first attribute that is outside what it may be.
    pub fn check(&self) -> Result<(), StreamError> {
        let range = |name, value: u64, min, max| match (min..=max).contains(&value) {
            true => Ok(()),
            false => Err(StreamError::Attribute { name, value, min, max }),
        };
        range("shards", self.shards.into(), 1, SHARDS_MAX.into())?;
        range("retention_hours", self.retention_hours.into(), 1, 8_760)?;
        range("retention_bytes_max", self.retention_bytes_max, 1 << 20, u64::MAX)?;
        range("record_bytes_max", self.record_bytes_max.into(), 1, 10 << 20)
    }
}
