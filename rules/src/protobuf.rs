//! Protocol Buffers: descriptor files in, values out, mapped as proto3 maps messages to JSON.
//!
//! Whoever compiles statements brings the descriptor files as bytes; where they come from isn't known here. Input, depth
//! and output are bounded. Must not know plans or messages of MQTT.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, Kind, MessageDescriptor, SerializeOptions,
};
use thiserror::Error;

use crate::diagnostic::nearest;

/// The largest descriptor file, in bytes.
pub const DESCRIPTOR_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest encoded message, in bytes; each may take some sixty times as much memory while it is decoded.
const MESSAGE_BYTES_MAX: usize = 512 * 1024;

/// A message that may hold messages of any type, inside each other without limit.
const ANY: &str = "google.protobuf.Any";

/// Why a descriptor file can't be used: the fault is the file's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DescriptorError {
    /// It is larger than [`DESCRIPTOR_BYTES_MAX`].
    #[error("descriptor file has {bytes} bytes; the most is {DESCRIPTOR_BYTES_MAX}")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// It is no descriptor set, or lacks files that its files import.
    #[error(
        "no complete descriptor set: {reason}; make it with `protoc --include_imports --descriptor_set_out=FILE`"
    )]
    Incomplete {
        /// What the reader says.
        reason: String,
    },
}

/// The descriptor files that statements may name, each by bucket and key as on AWS.
#[derive(Default)]
pub struct Descriptors {
    files: BTreeMap<(String, String), Set>,
}

struct Set {
    bytes: Vec<u8>,
    pool: DescriptorPool,
}

/// A type of message, found in a descriptor file.
#[derive(Debug, Clone)]
pub(crate) struct MessageType(MessageDescriptor);

/// What is wrong with the names in a call: which of bucket and key (0), file (1) and message (2), and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) which: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Descriptors {
    /// No descriptor files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a descriptor file: a `FileDescriptorSet` as `protoc --include_imports` writes it.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn add(&mut self, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), DescriptorError> {
        if bytes.len() > DESCRIPTOR_BYTES_MAX {
            return Err(DescriptorError::TooLarge { bytes: bytes.len() });
        }
        let pool = DescriptorPool::decode(bytes).map_err(|error| {
            let reason = error.to_string().lines().next().unwrap_or_default().to_owned();
            DescriptorError::Incomplete { reason }
        })?;
        self.files.insert((bucket.to_owned(), key.to_owned()), Set { bytes: bytes.to_vec(), pool });
        Ok(())
    }

    /// Bucket and key of each.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.keys().map(|(bucket, key)| (bucket.as_str(), key.as_str()))
    }

    /// The type `message` of the file `file` (with or without `.proto`).
    pub(crate) fn message(
        &self,
        bucket: &str,
        key: &str,
        file: &str,
        message: &str,
    ) -> Result<MessageType, Unknown> {
        let unknown = |which, message, hint: Option<String>| Unknown { which, message, hint };
        let Some(set) = self.files.get(&(bucket.to_owned(), key.to_owned())) else {
            let written = format!("{bucket}/{key}");
            let known: Vec<String> = self.names().map(|(bucket, key)| format!("{bucket}/{key}")).collect();
            let hint = nearest(&written, known.iter().map(String::as_str))
                .map(|known| format!("did you mean `{known}`?"));
            return Err(unknown(
                0,
                format!("there is no descriptor file `{written}`"),
                hint.or_else(|| Some(listed(&known))),
            ));
        };
        let stem = |name: &str| name.strip_suffix(".proto").unwrap_or(name).to_owned();
        let is_meant = |found: &FileDescriptor| {
            let name = stem(found.name());
            name == stem(file) || name.rsplit('/').next() == Some(stem(file).as_str())
        };
        let Some(found) = set.pool.files().find(is_meant) else {
            let known: Vec<String> = set.pool.files().map(|file| stem(file.name())).collect();
            return Err(unknown(
                1,
                format!("descriptor file `{bucket}/{key}` has no `{file}`"),
                Some(listed(&known)),
            ));
        };
        let types: Vec<MessageDescriptor> =
            set.pool.all_messages().filter(|message| message.parent_file() == found).collect();
        let short = |descriptor: &MessageDescriptor| {
            let name = descriptor.full_name();
            name.strip_prefix(found.package_name())
                .map_or(name, |name| name.trim_start_matches('.'))
                .to_owned()
        };
        let meant = types.iter().find(|known| known.full_name() == message || short(known) == message);
        let Some(meant) = meant else {
            let known: Vec<String> = types.iter().map(short).collect();
            return Err(unknown(2, format!("`{file}` has no message `{message}`"), Some(listed(&known))));
        };
        if holds_any(meant) {
            let hint = "give the field the type it has, or choose among types with `oneof`".to_owned();
            return Err(unknown(2, format!("`{message}` holds `{ANY}`, which is not supported"), Some(hint)));
        }
        Ok(MessageType(meant.clone()))
    }
}

fn listed(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > first.len() { " and others" } else { "" };
    if first.is_empty() { "there is none".to_owned() } else { format!("there is {}{more}", first.join(", ")) }
}

/// Whether a message of this type can hold an `Any`, somewhere below.
fn holds_any(message: &MessageDescriptor) -> bool {
    let mut seen = HashSet::new();
    let mut left = vec![message.clone()];
    while let Some(next) = left.pop() {
        if next.full_name() == ANY {
            return true;
        }
        if seen.insert(next.full_name().to_owned()) {
            left.extend(next.fields().filter_map(|field| match field.kind() {
                Kind::Message(inner) => Some(inner),
                _ => None,
            }));
        }
    }
    false
}

impl PartialEq for Descriptors {
    fn eq(&self, other: &Self) -> bool {
        let contents = |files: &Self| -> Vec<_> {
            files.files.iter().map(|(name, set)| (name.clone(), set.bytes.clone())).collect()
        };
        self.files.len() == other.files.len() && contents(self) == contents(other)
    }
}

impl Eq for Descriptors {}

impl fmt::Debug for Descriptors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.files.keys()).finish()
    }
}

impl MessageType {
    /// The JSON of an encoded message; `None` when it is none, or too large before or after.
    pub(crate) fn json(&self, bytes: &[u8], output_bytes_max: usize) -> Option<Vec<u8>> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        let message = DynamicMessage::decode(self.0.clone(), bytes).ok()?;
        let mut json = Bounded { bytes: Vec::new(), bytes_max: output_bytes_max };
        let mut serializer = serde_json::Serializer::new(&mut json);
        message.serialize_with_options(&mut serializer, &SerializeOptions::new()).ok()?;
        Some(json.bytes)
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::other("output is too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
