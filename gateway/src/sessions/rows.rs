//! The rows of the state store, and their keys. A row is JSON with the number of its format; a later format is refused, not guessed at.
//!
//! | Table | Key | Value |
//! | --- | --- | --- |
//! | `session` | session | [`SessionRow`] |
//! | `session-subscription` | session, filter | [`SubscriptionRow`] |
//! | `session-inbound` | session, packet identifier | the offset of the record that took it; empty when none did |
//! | `session-flight` | session, packet identifier | [`FlightRow`] |
//! | `session-owed` | session, offset, shared filter or nothing | [`OwedRow`] |
//! | `will` | will | [`WillRow`] |
//! | `session-feed` | session, filter | [`FeedRow`] |
//! | `session-feed-skip` | session, offset | empty |
//! | `session-carried` | session, packet identifier | length of an [`OwedRow`], that row, and a journal record that holds the message |
//! | `retained` | topic | 0, the offset of the message's record, and a journal record that holds the message; or that alone |
//! | `session-follow` | `offset` | the first offset of the journal that was not yet looked at |
//!
//! Numbers in keys are big endian, so rows of one session stand together and in order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::{
    CopyOptions, Flight, FlightStage, SavedFeed, SavedSubscription, SessionHeader, SessionKey, WillKey,
};
use mqtt::{PacketId, Qos, RetainHandling, SubscriptionOptions, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use will::WillMessage;

mod will;

pub(super) use will::WillRow;

/// The format that is written. In format 1 a session's will stood in its row, the key of an owed copy did not have the shared filter, and a
/// flight did not name it: a session was owed one copy of a record at most.
const FORMAT: u32 = 2;
/// The oldest format that is read.
const FORMAT_OLDEST: u32 = 1;

/// Why a row can't be used.
#[derive(Debug, thiserror::Error)]
#[error("row of table `{table}`: {reason}; restore the data directory from a copy, or remove the row")]
pub(super) struct RowError {
    table: &'static str,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Row<T> {
    format: u32,
    #[serde(flatten)]
    content: T,
}

/// Encodes the content of a row.
pub(super) fn encode<T: Serialize>(content: T) -> Vec<u8> {
    serde_json::to_vec(&Row { format: FORMAT, content }).expect("rows are plain data with string keys")
}

/// Reads the content of a row.
pub(super) fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, RowError> {
    let error = |reason: String| RowError { table, reason };
    let row: Row<T> = serde_json::from_slice(bytes).map_err(|cause| error(cause.to_string()))?;
    match row.format {
        FORMAT_OLDEST..=FORMAT => Ok(row.content),
        other => Err(error(format!(
            "format {other} is newer than this program, which reads {FORMAT_OLDEST} to {FORMAT}"
        ))),
    }
}

/// The key of a session's row, and the beginning of the keys of all that belongs to it.
pub(super) fn session_key(key: SessionKey) -> [u8; 8] {
    key.0.to_be_bytes()
}

/// A key of something that belongs to an exchange.
pub(super) fn packet_key(session: SessionKey, id: PacketId) -> Vec<u8> {
    key_with(session, &id.get().to_be_bytes())
}

/// The exchange that [`packet_key`] names.
pub(super) fn packet_id_of(key: &[u8]) -> Option<PacketId> {
    PacketId::new(u16::from_be_bytes(split_key(key)?.1.try_into().ok()?))
}

/// Begins a retained message's row that tells its offset; no version of a record begins so.
const WITH_OFFSET: u8 = 0;

/// The row of a retained message.
pub(super) fn encode_retained(offset: u64, record: &[u8]) -> Vec<u8> {
    [&[WITH_OFFSET][..], &offset.to_be_bytes(), record].concat()
}

/// The offset, in rows that have it, and the record.
pub(super) fn split_retained(row: &[u8]) -> (Option<u64>, &[u8]) {
    match row.split_first_chunk::<9>() {
        Some(([WITH_OFFSET, offset @ ..], record)) => (Some(u64::from_be_bytes(*offset)), record),
        _ => (None, row),
    }
}

/// The row of a copy in flight that no journal record holds.
pub(super) fn encode_carried(options: &OwedRow, record: &[u8]) -> Vec<u8> {
    let options = encode(options);
    let length =
        u32::try_from(options.len()).expect("options are as small as the packet that asked for them");
    [&length.to_be_bytes(), &options[..], record].concat()
}

/// The options and the record of such a row.
pub(super) fn decode_carried(row: &[u8]) -> Result<(OwedRow, &[u8]), RowError> {
    let table = "session-carried";
    let parts = row
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
    let (options, record) =
        parts.ok_or_else(|| RowError { table, reason: "it ends too early".to_string() })?;
    Ok((decode(table, options)?, record))
}

/// The key of a will's row.
pub(super) fn will_key(key: WillKey) -> [u8; 8] {
    key.0.to_be_bytes()
}

/// The session that a key begins with, and what follows.
pub(super) fn split_key(key: &[u8]) -> Option<(SessionKey, &[u8])> {
    let (session, rest) = key.split_first_chunk::<8>()?;
    Some((SessionKey(u64::from_be_bytes(*session)), rest))
}

/// The key of an owed copy.
pub(super) fn owed_key(session: SessionKey, offset: u64, shared: Option<&str>) -> Vec<u8> {
    key_with(session, &[&offset.to_be_bytes()[..], shared.unwrap_or_default().as_bytes()].concat())
}

/// The offset and the shared filter that the key of an owed copy has behind the session.
pub(super) fn split_owed(rest: &[u8]) -> Option<(u64, Option<&str>)> {
    let (offset, shared) = rest.split_first_chunk::<8>()?;
    let shared = std::str::from_utf8(shared).ok()?;
    Some((u64::from_be_bytes(*offset), (!shared.is_empty()).then_some(shared)))
}

/// A key of something that belongs to a session.
pub(super) fn key_with(session: SessionKey, rest: &[u8]) -> Vec<u8> {
    [&session_key(session)[..], rest].concat()
}

#[derive(Serialize, Deserialize)]
pub(super) struct SessionRow {
    client_id: String,
    /// Not in format 1.
    #[serde(default)]
    owner: Option<String>,
    version: u8,
    expiry_secs: u32,
    expires_at_ms: Option<u64>,
    /// Of format 1 alone.
    #[serde(default, skip_serializing)]
    will: Option<WillMessage>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SubscriptionRow {
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: u8,
    identifier: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FlightRow {
    released: bool,
    offset: Option<u64>,
    /// The shared subscription the copy came by; rows of format 1 do not say.
    #[serde(default)]
    shared: Option<String>,
    /// Rises from flight to flight, so that the order in which they were first sent is known.
    pub(super) order: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OwedRow {
    qos: u8,
    retain: bool,
    identifiers: Vec<u32>,
    shared: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FeedRow {
    /// Base64.
    from: String,
}

impl FeedRow {
    pub(super) fn new(saved: &SavedFeed) -> Self {
        Self { from: STANDARD.encode(&saved.from) }
    }

    /// One that can't be read begins anew.
    pub(super) fn feed(self, filter: &str) -> SavedFeed {
        let from = STANDARD.decode(self.from).unwrap_or_default();
        SavedFeed { filter: Arc::from(filter), from: from.into_boxed_slice() }
    }
}

impl SessionRow {
    pub(super) fn new(header: &SessionHeader) -> Self {
        Self {
            client_id: header.client_id.to_string(),
            owner: header.owner.as_deref().map(str::to_string),
            version: if header.version == Version::V5 { 5 } else { 4 },
            expiry_secs: header.expiry_secs,
            expires_at_ms: header.expires_at_ms,
            will: None,
        }
    }

    /// The will that stands in a row of format 1, as a row of its own.
    pub(super) fn take_will(&mut self, key: SessionKey) -> Option<WillRow> {
        self.will.take().map(|will| WillRow::of_session(key, self.client_id.clone(), will))
    }

    pub(super) fn header(self, key: SessionKey) -> SessionHeader {
        SessionHeader {
            key,
            client_id: self.client_id.into(),
            owner: self.owner.map(Into::into),
            version: if self.version == 5 { Version::V5 } else { Version::V3_1_1 },
            expiry_secs: self.expiry_secs,
            expires_at_ms: self.expires_at_ms,
        }
    }
}

impl SubscriptionRow {
    pub(super) fn new(saved: &SavedSubscription) -> Self {
        let options = saved.options;
        Self {
            qos: options.qos.number(),
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: options.retain_handling as u8,
            identifier: saved.identifier,
        }
    }

    pub(super) fn subscription(&self, filter: &str) -> SavedSubscription {
        let options = SubscriptionOptions {
            qos: Qos::from_number(self.qos).unwrap_or_default(),
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: match self.retain_handling {
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => RetainHandling::SendAtSubscribe,
            },
        };
        SavedSubscription { filter: Arc::from(filter), options, identifier: self.identifier }
    }
}

impl FlightRow {
    pub(super) fn new(flight: &Flight, order: u64) -> Self {
        Self {
            released: flight.stage == FlightStage::Released,
            offset: flight.offset,
            shared: flight.shared.as_deref().map(str::to_string),
            order,
        }
    }

    pub(super) fn flight(&self, packet_id: PacketId) -> Flight {
        let stage = if self.released { FlightStage::Released } else { FlightStage::Published };
        Flight { packet_id, stage, offset: self.offset, shared: self.shared.as_deref().map(Arc::from) }
    }
}

impl OwedRow {
    pub(super) fn new(options: &CopyOptions) -> Self {
        Self {
            qos: options.qos.number(),
            retain: options.retain,
            identifiers: options.identifiers.clone(),
            shared: options.shared.as_deref().map(str::to_string),
        }
    }

    /// The whole filter of the shared subscription the copy came by, if it did.
    pub(super) fn shared(&self) -> Option<&str> {
        self.shared.as_deref()
    }

    pub(super) fn options(self) -> CopyOptions {
        CopyOptions {
            qos: Qos::from_number(self.qos).unwrap_or_default(),
            retain: self.retain,
            identifiers: self.identifiers,
            shared: self.shared.map(Arc::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::SavedWill;
    use bytes::Bytes;
    use mqtt::{Properties, Text, Will};

    #[test]
    fn rows_are_read_back_as_they_were() {
        let header = SessionHeader {
            key: SessionKey(5),
            client_id: "kiln".into(),
            owner: Some("whose".into()),
            version: Version::V5,
            expiry_secs: 60,
            expires_at_ms: Some(9),
        };
        let row: SessionRow = decode("session", &encode(SessionRow::new(&header))).unwrap();
        assert_eq!(row.header(SessionKey(5)), header);

        let saved = SavedWill {
            key: WillKey(3),
            client_id: "kiln".into(),
            session: Some(SessionKey(5)),
            left_by: Some("who".into()),
            will: Will {
                qos: Qos::AtLeastOnce,
                retain: true,
                properties: Properties::default(),
                topic: Text::try_from("a/b").unwrap(),
                payload: Bytes::from_static(&[0, 255]),
            },
            due_at_ms: Some(9),
        };
        let row: WillRow = decode("will", &encode(WillRow::new(&saved))).unwrap();
        assert_eq!(row.will(WillKey(3)), Some(saved));

        let flight = Flight {
            packet_id: PacketId::FIRST,
            stage: FlightStage::Published,
            offset: Some(4),
            shared: Some("$share/g/t".into()),
        };
        let row: FlightRow = decode("session-flight", &encode(FlightRow::new(&flight, 3))).unwrap();
        assert_eq!((row.flight(PacketId::FIRST), row.order), (flight, 3));
    }

    /// As format 1 had it.
    #[test]
    fn the_will_in_a_sessions_row_is_still_read() {
        let row = br#"{"format":1,"client_id":"kiln","version":5,"expiry_secs":60,"expires_at_ms":null,
            "will":{"qos":1,"retain":true,"topic":"a/b","payload":"AP8=","properties":"","due_at_ms":9}}"#;
        let mut row: SessionRow = decode("session", row).unwrap();
        let will = row.take_will(SessionKey(5)).unwrap().will(WillKey(3)).unwrap();
        assert_eq!((&*will.client_id, will.session, will.left_by), ("kiln", Some(SessionKey(5)), None));
        assert_eq!(
            (&*will.will.topic, &will.will.payload[..], will.due_at_ms),
            ("a/b", &[0, 255][..], Some(9))
        );
        let header = row.header(SessionKey(5));
        assert_eq!((header.expiry_secs, header.owner), (60, None));
    }

    #[test]
    fn what_stands_before_a_record_is_taken_off() {
        assert_eq!(split_retained(&encode_retained(7, b"\x02record")), (Some(7), &b"\x02record"[..]));
        assert_eq!(split_retained(b"\x01record of old"), (None, &b"\x01record of old"[..]));
        assert_eq!(split_retained(b""), (None, &b""[..]));
        let options = CopyOptions { qos: Qos::ExactlyOnce, retain: true, identifiers: vec![9], shared: None };
        let row = encode_carried(&OwedRow::new(&options), b"record");
        let (read, record) = decode_carried(&row).unwrap();
        assert_eq!((read.options(), record), (options, &b"record"[..]));
        for length in 0..row.len() - b"record".len() {
            assert!(decode_carried(&row[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_key_of_an_owed_copy_is_read_back() {
        for shared in [None, Some("$share/g/t/+")] {
            let key = owed_key(SessionKey(3), 9, shared);
            let (session, rest) = split_key(&key).unwrap();
            assert_eq!((session, split_owed(rest)), (SessionKey(3), Some((9, shared))));
        }
    }

    #[test]
    fn rows_of_format_1_are_read() {
        let flight: FlightRow =
            decode("session-flight", br#"{"format":1,"released":false,"offset":7,"order":2}"#).unwrap();
        let flight = flight.flight(PacketId::FIRST);
        assert_eq!((flight.offset, flight.shared), (Some(7), None));
        let owed = br#"{"format":1,"qos":1,"retain":false,"identifiers":[4],"shared":"$share/g/t"}"#;
        let owed: OwedRow = decode("session-owed", owed).unwrap();
        assert_eq!(owed.options().shared.as_deref(), Some("$share/g/t"));
    }

    #[test]
    fn a_newer_format_is_refused() {
        let error = decode::<OwedRow>(
            "session-owed",
            br#"{"format":3,"qos":1,"retain":false,"identifiers":[],"shared":null}"#,
        );
        assert!(error.err().unwrap().to_string().contains("newer than this program"));
    }
}
