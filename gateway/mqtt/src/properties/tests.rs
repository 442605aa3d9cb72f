//! Building and asking.

use super::*;
use crate::{EncodeError, Packet, Publish, Qos, ReasonCode, Version, encode};
use bytes::BytesMut;

fn text(text: &'static str) -> Text {
    Text::from_static(text).unwrap()
}

#[test]
fn every_property_is_given_back_as_it_was_pushed() {
    let all = [
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(0),
        Property::ContentType(text("t")),
        Property::ResponseTopic(text("r")),
        Property::CorrelationData(Bytes::from_static(b"\0")),
        Property::SubscriptionIdentifier(268_435_455),
        Property::SessionExpiryInterval(u32::MAX),
        Property::AssignedClientIdentifier(text("a")),
        Property::ServerKeepAlive(1),
        Property::AuthenticationMethod(text("m")),
        Property::AuthenticationData(Bytes::new()),
        Property::RequestProblemInformation(false),
        Property::WillDelayInterval(2),
        Property::RequestResponseInformation(true),
        Property::ResponseInformation(text("i")),
        Property::ServerReference(text("s")),
        Property::ReasonString(text("why")),
        Property::ReceiveMaximum(3),
        Property::TopicAliasMaximum(0),
        Property::TopicAlias(4),
        Property::MaximumQos(Qos::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::UserProperty(text("k"), text("v")),
        Property::MaximumPacketSize(5),
        Property::WildcardSubscriptionAvailable(true),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(true),
    ];
    let properties: Properties = all.iter().cloned().collect();
    assert_eq!(properties.iter().collect::<Vec<_>>(), all);
    assert_eq!(properties.payload_is_utf8(), Some(true));
    assert_eq!(properties.message_expiry_secs(), Some(0));
    assert_eq!(properties.content_type(), Some(text("t")));
    assert_eq!(properties.response_topic(), Some(text("r")));
    assert_eq!(properties.correlation_data(), Some(Bytes::from_static(b"\0")));
    assert_eq!(properties.subscription_identifiers().collect::<Vec<_>>(), [268_435_455]);
    assert_eq!(properties.session_expiry_secs(), Some(u32::MAX));
    assert_eq!(properties.assigned_client_id(), Some(text("a")));
    assert_eq!(properties.server_keep_alive_secs(), Some(1));
    assert_eq!(properties.authentication_method(), Some(text("m")));
    assert_eq!(properties.authentication_data(), Some(Bytes::new()));
    assert_eq!(properties.request_problem_information(), Some(false));
    assert_eq!(properties.will_delay_secs(), Some(2));
    assert_eq!(properties.request_response_information(), Some(true));
    assert_eq!(properties.response_information(), Some(text("i")));
    assert_eq!(properties.server_reference(), Some(text("s")));
    assert_eq!(properties.reason_string(), Some(text("why")));
    assert_eq!(properties.receive_maximum(), Some(3));
    assert_eq!(properties.topic_alias_maximum(), Some(0));
    assert_eq!(properties.topic_alias(), Some(4));
    assert_eq!(properties.maximum_qos(), Some(Qos::AtLeastOnce));
    assert_eq!(properties.retain_available(), Some(false));
    assert_eq!(properties.user_property("k"), Some(text("v")));
    assert_eq!(properties.packet_bytes_max(), Some(5));
    assert_eq!(properties.wildcard_subscription_available(), Some(true));
    assert_eq!(properties.subscription_identifier_available(), Some(false));
    assert_eq!(properties.shared_subscription_available(), Some(true));
}

#[test]
fn nothing_is_there_by_default() {
    let none = Properties::default();
    assert!(none.is_empty() && none.iter().next().is_none() && none.user_properties().next().is_none());
    assert_eq!((none.topic_alias(), none.reason_string(), none.maximum_qos()), (None, None, None));
}

#[test]
fn maximum_qos_2_is_said_by_leaving_it_out() {
    assert!(PropertiesBuilder::new().with(Property::MaximumQos(Qos::ExactlyOnce)).build().is_empty());
}

#[test]
fn user_properties_repeat_in_order() {
    let pairs = [("b", "1"), ("a", "2"), ("b", "3")];
    let properties: Properties =
        pairs.iter().map(|(name, value)| Property::UserProperty(text(name), text(value))).collect();
    let read: Vec<_> = properties.user_properties().collect();
    assert_eq!(read, pairs.map(|(name, value)| (text(name), text(value))), "[MQTT-3.3.2-18]");
    assert_eq!((properties.user_property("b"), properties.user_property("c")), (Some(text("1")), None));
}

#[test]
fn what_must_not_be_sent_is_refused_when_encoding() {
    let long = Bytes::from(vec![0; 65_536]);
    for (name, wrong) in [
        ("Topic Alias", vec![Property::TopicAlias(0)]),
        ("Receive Maximum", vec![Property::ReceiveMaximum(0)]),
        ("Maximum Packet Size", vec![Property::MaximumPacketSize(0)]),
        ("Subscription Identifier", vec![Property::SubscriptionIdentifier(0)]),
        ("Subscription Identifier", vec![Property::SubscriptionIdentifier(268_435_456)]),
        ("Response Topic", vec![Property::ResponseTopic(text("a/+"))]),
        ("Correlation Data", vec![Property::CorrelationData(long)]),
        ("Content Type", vec![Property::ContentType(text("a")), Property::ContentType(text("a"))]),
        ("Will Delay Interval", vec![Property::WillDelayInterval(1)]),
    ] {
        let properties: Properties = wrong.into_iter().collect();
        let (topic, payload) = (text("t"), Bytes::new());
        let publish = Publish {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties,
            payload,
        };
        let mut out = BytesMut::new();
        match encode(&Packet::Publish(publish.clone()), Version::V5, &mut out) {
            Err(EncodeError::Property { property, .. }) => assert_eq!(property, name),
            other => panic!("{name}: {other:?}"),
        }
        assert!(out.is_empty());
        assert_eq!(encode(&Packet::Publish(publish), Version::V3_1_1, &mut out), Ok(()), "they are left out");
    }
}

#[test]
fn forwarding_shares_the_bytes_when_nothing_is_dropped() {
    let properties: Properties = [Property::UserProperty(text("k"), text("v"))].into_iter().collect();
    assert_eq!(properties.forwarded().as_bytes().as_ptr(), properties.as_bytes().as_ptr());
    let will: Properties =
        [Property::WillDelayInterval(1), Property::ContentType(text("t"))].into_iter().collect();
    assert_eq!(will.forwarded().iter().collect::<Vec<_>>(), [Property::ContentType(text("t"))]);
}

#[test]
fn stored_bytes_are_checked_when_read_back() {
    let refuse =
        |bytes: &'static [u8]| Properties::from_publish_bytes(Bytes::from_static(bytes)).unwrap_err();
    let error = refuse(&[0x23, 0, 0]);
    assert_eq!(error.to_string(), "PUBLISH: the topic alias is 0 [MQTT-3.3.2-8]");
    assert_eq!(error.reason_code(), ReasonCode::TopicAliasInvalid);
    let error = refuse(&[0x02, 0, 0, 0, 1, 0x02, 0, 0, 0, 1]).to_string();
    assert_eq!(
        error,
        "PUBLISH: a property appears more than once: `Message Expiry Interval` [section 2.2.2.2]"
    );
}
