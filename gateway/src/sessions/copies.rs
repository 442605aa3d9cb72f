//! How a copy owed to a session stands in a journal record.

use broker::{CopyOptions, SessionKey};
use bus::{Origin, Owed, Record};
use mqtt::{Properties, Qos, Text};
use std::sync::Arc;

/// Names a session in a record: its key, and the shared subscription the copy came by, if it did.
pub(crate) fn address(key: SessionKey, shared: Option<&str>) -> String {
    match shared {
        Some(filter) => format!("{} {filter}", key.0),
        None => key.0.to_string(),
    }
}

/// The session and the options of a copy; `None` when the address can't be one of ours.
pub(super) fn read(owed: &Owed) -> Option<(SessionKey, CopyOptions)> {
    let (key, shared) = match owed.session.split_once(' ') {
        Some((key, filter)) => (key, Some(Arc::from(filter))),
        None => (owed.session.as_str(), None),
    };
    let options = CopyOptions {
        qos: Qos::from_number(owed.quality_of_service)?,
        retain: owed.retain,
        identifiers: owed.subscription_ids.clone(),
        shared,
    };
    Some((SessionKey(key.parse().ok()?), options))
}

/// The message of a record, as the broker knows it; `None` when the record holds none.
pub(super) fn message(record: &Record) -> Option<broker::Message> {
    let held = record.message.as_ref()?;
    Some(broker::Message {
        topic: Text::try_from(record.topic.as_str()).ok()?,
        payload: held.payload.clone(),
        qos: Qos::from_number(held.quality_of_service)?,
        retain: held.retain,
        properties: Properties::from_publish_bytes(held.properties.clone()).ok()?,
        expires_at_ms: held.expires_at_ms,
        publisher: Arc::from(record.client_id.as_str()),
    })
}

/// A message as a record that holds nothing else; [`message`] reads it back.
pub(super) fn record(message: &broker::Message) -> Record {
    Record {
        client_id: message.publisher.to_string(),
        topic: message.topic.to_string(),
        message: Some(bus::Message {
            payload: message.payload.clone(),
            properties: message.properties.as_bytes().clone(),
            quality_of_service: message.qos.number(),
            retain: message.retain,
            expires_at_ms: message.expires_at_ms,
        }),
        ..Record::new(Origin::Device, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back() {
        for shared in [None, Some("$share/group/plant/+/a b")] {
            let owed = Owed {
                session: address(SessionKey(7), shared),
                quality_of_service: 1,
                retain: true,
                subscription_ids: vec![3, 9],
            };
            let (key, options) = read(&owed).unwrap();
            assert_eq!(key, SessionKey(7));
            assert_eq!(options.shared.as_deref(), shared);
            assert_eq!((options.qos, options.retain), (Qos::AtLeastOnce, true));
            assert_eq!(options.identifiers, [3, 9]);
        }
        let strange =
            Owed { session: "x".into(), quality_of_service: 1, retain: false, subscription_ids: Vec::new() };
        assert!(read(&strange).is_none());
    }
}
