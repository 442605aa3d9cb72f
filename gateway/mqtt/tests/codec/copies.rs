//! One message to many subscribers: what each copy looks like when its subscriber decodes it.

use crate::generate::publish;
use crate::vectors::LIMIT;
use bytes::{Bytes, BytesMut};
use mqtt::{
    EncodeError, OutboundAlias, Packet, PacketId, Properties, Property, Publish, PublishCopy, Qos, Text,
    Version, decode, encode_publish, encode_publish_head,
};
use proptest::prelude::*;
use std::num::NonZeroU16;

fn copy_of(message: &Publish) -> PublishCopy<'_> {
    PublishCopy {
        topic: &message.topic,
        properties: &message.properties,
        payload: &message.payload,
        dup: message.dup,
        qos: message.qos,
        retain: message.retain,
        packet_id: message.packet_id,
        alias: None,
        subscription_ids: &[],
        message_expiry_secs: None,
    }
}

fn received(copy: &PublishCopy<'_>, version: Version) -> Publish {
    let mut buffer = BytesMut::new();
    encode_publish(copy, version, &mut buffer).unwrap();
    assert_eq!(buffer.len(), copy.encoded_bytes(version));
    let mut head = BytesMut::new();
    encode_publish_head(copy, version, &mut head).unwrap();
    head.extend_from_slice(copy.payload);
    assert_eq!(head, buffer);
    match decode(&mut buffer, Some(version), LIMIT).unwrap().unwrap() {
        Packet::Publish(publish) => publish,
        other => panic!("read back as {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_copy_carries_what_travels_and_what_is_its_own(
        message in publish(),
        alias in proptest::option::of((any::<bool>(), 1..=u16::MAX)),
        ids in proptest::collection::vec(1..=268_435_455_u32, 0..3),
        expiry in proptest::option::of(any::<u32>()),
        version in prop_oneof![Just(Version::V3_1_1), Just(Version::V5)],
    ) {
        let alias = alias.map(|(introduces, number)| {
            let number = NonZeroU16::new(number).unwrap();
            if introduces { OutboundAlias::Introduces(number) } else { OutboundAlias::Replaces(number) }
        });
        let copy = PublishCopy { alias, subscription_ids: &ids, message_expiry_secs: expiry, ..copy_of(&message) };
        let got = received(&copy, version);
        prop_assert_eq!((got.dup, got.qos, got.retain, got.packet_id), (copy.dup, copy.qos, copy.retain, copy.packet_id));
        prop_assert_eq!(&got.payload, &message.payload);
        if version == Version::V3_1_1 {
            prop_assert_eq!(&got.topic, &message.topic);
            prop_assert!(got.properties.is_empty());
            return Ok(());
        }
        let replaced = matches!(alias, Some(OutboundAlias::Replaces(_)));
        prop_assert_eq!(got.topic.as_str(), if replaced { "" } else { message.topic.as_str() });
        let number = alias.map(|alias| match alias {
            OutboundAlias::Introduces(number) | OutboundAlias::Replaces(number) => number.get(),
        });
        prop_assert_eq!(got.properties.topic_alias(), number);
        prop_assert_eq!(got.properties.subscription_identifiers().collect::<Vec<_>>(), ids.clone());
        prop_assert_eq!(got.properties.message_expiry_secs(), expiry.or(message.properties.message_expiry_secs()));
        let travels = |property: &Property| !matches!(property,
            Property::TopicAlias(_) | Property::SubscriptionIdentifier(_) | Property::MessageExpiryInterval(_));
        let sent: Vec<_> = message.properties.iter().filter(travels).collect();
        prop_assert_eq!(got.properties.iter().filter(travels).collect::<Vec<_>>(), sent, "[MQTT-3.3.2-18]");
    }

    #[test]
    fn forwarded_properties_keep_all_but_what_belongs_to_the_hop(message in publish()) {
        let travels = |property: &Property| !matches!(property, Property::TopicAlias(_) | Property::SubscriptionIdentifier(_));
        let forwarded = message.properties.forwarded();
        prop_assert_eq!(&forwarded, &message.properties.iter().filter(travels).collect::<Properties>());
        prop_assert_eq!(&Properties::from_publish_bytes(forwarded.as_bytes().clone()).unwrap(), &forwarded);
    }
}

#[test]
fn what_a_subscriber_would_refuse_is_not_written() {
    let topic = Text::from_static("a/b").unwrap();
    let message = Publish {
        dup: false,
        qos: Qos::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        properties: Properties::default(),
        payload: Bytes::from_static(b"x"),
    };
    let refuse = |copy: PublishCopy<'_>| {
        let mut out = BytesMut::new();
        let error = encode_publish(&copy, Version::V5, &mut out).unwrap_err();
        assert!(out.is_empty());
        error
    };
    let copy = copy_of(&message);
    assert_eq!(refuse(PublishCopy { packet_id: Some(PacketId::FIRST), ..copy }), EncodeError::PacketId);
    assert_eq!(refuse(PublishCopy { qos: Qos::AtLeastOnce, ..copy }), EncodeError::PacketId);
    let error = refuse(PublishCopy { dup: true, ..copy }).to_string();
    assert_eq!(error, "PUBLISH: the DUP flag is set at QoS 0 [MQTT-3.3.1-2]");
    let error = refuse(PublishCopy { subscription_ids: &[0], ..copy }).to_string();
    assert_eq!(
        error,
        "property `Subscription Identifier` of PUBLISH is misplaced, repeated or has a forbidden value"
    );
    let twice: Properties = [Property::TopicAlias(1), Property::TopicAlias(2)].into_iter().collect();
    assert!(matches!(refuse(PublishCopy { properties: &twice, ..copy }), EncodeError::Property { .. }));
    let misplaced: Properties = [Property::ServerKeepAlive(1)].into_iter().collect();
    assert!(matches!(refuse(PublishCopy { properties: &misplaced, ..copy }), EncodeError::Property { .. }));
    let empty = Text::default();
    assert!(matches!(refuse(PublishCopy { topic: &empty, ..copy }), EncodeError::Forbidden { .. }));
}
