//! The row of a will.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::{SavedWill, SessionKey, WillKey};
use bytes::Bytes;
use mqtt::{Properties, Qos, Text, Will};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(in crate::sessions) struct WillRow {
    client_id: String,
    session: Option<u64>,
    left_by: Option<String>,
    #[serde(flatten)]
    message: WillMessage,
}

/// The will itself. In rows of format 1 it was part of the session's.
#[derive(Serialize, Deserialize)]
pub(super) struct WillMessage {
    qos: u8,
    retain: bool,
    topic: String,
    payload: String,
    properties: String,
    due_at_ms: Option<u64>,
}

impl WillRow {
    pub(in crate::sessions) fn new(saved: &SavedWill) -> Self {
        Self {
            client_id: saved.client_id.to_string(),
            session: saved.session.map(|key| key.0),
            left_by: saved.left_by.as_deref().map(str::to_string),
            message: WillMessage {
                qos: saved.will.qos.number(),
                retain: saved.will.retain,
                topic: saved.will.topic.to_string(),
                payload: STANDARD.encode(&saved.will.payload),
                properties: STANDARD.encode(saved.will.properties.as_bytes()),
                due_at_ms: saved.due_at_ms,
            },
        }
    }

    /// A will that stood in its session's row.
    pub(super) fn of_session(session: SessionKey, client_id: String, message: WillMessage) -> Self {
        Self { client_id, session: Some(session.0), left_by: None, message }
    }

    /// `None` when it can't be one that was stored.
    pub(in crate::sessions) fn will(self, key: WillKey) -> Option<SavedWill> {
        let bytes = |text: &str| STANDARD.decode(text).ok().map(Bytes::from);
        let message = self.message;
        let will = Will {
            qos: Qos::from_number(message.qos)?,
            retain: message.retain,
            properties: Properties::from_will_bytes(bytes(&message.properties)?).ok()?,
            topic: Text::try_from(message.topic).ok()?,
            payload: bytes(&message.payload)?,
        };
        Some(SavedWill {
            key,
            client_id: self.client_id.into(),
            session: self.session.map(SessionKey),
            left_by: self.left_by.map(Into::into),
            will,
            due_at_ms: message.due_at_ms,
        })
    }
}
