//! Packets as one line of text, both ways.

use bytes::Bytes;
use mqtt::{
    Ack, Auth, Connect, Disconnect, Packet, PacketId, Properties, PropertiesBuilder, Property, Publish, Qos,
    ReasonCode, RetainHandling, Subscribe, SubscribeFilter, SubscriptionOptions, Text, Unsubscribe, Version,
    Will,
};
use std::fmt::Write;

/// The words of a line: plain ones in order, and `key=value` ones.
struct Words<'a> {
    plain: Vec<&'a str>,
    keyed: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let (keyed, plain): (Vec<_>, Vec<_>) = line.split_whitespace().partition(|word| word.contains('='));
        Self { plain, keyed: keyed.into_iter().filter_map(|word| word.split_once('=')).collect() }
    }

    fn at(&self, at: usize) -> &'a str {
        self.plain.get(at).copied().unwrap_or_else(|| panic!("word {at} is missing"))
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.keyed.iter().find(|(other, _)| *other == key).map(|(_, value)| *value)
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        self.value(key)
            .map(|value| value.parse().ok().unwrap_or_else(|| panic!("`{key}={value}` is no number")))
    }
}

fn text(text: &str) -> Text {
    Text::try_from(if text == "-" { "" } else { text }).expect("legal text")
}

fn packet_id(number: u16) -> PacketId {
    PacketId::new(number).expect("not 0")
}

fn qos(number: u8) -> Qos {
    Qos::from_number(number).expect("0 to 2")
}

fn reason(words: &Words<'_>, at: usize) -> ReasonCode {
    words.plain.get(at).map_or(ReasonCode::Success, |word| {
        let number = u8::from_str_radix(word.trim_start_matches("0x"), 16).expect("a reason code like 0x8e");
        ReasonCode::from_number(number).expect("a reason code of the standard")
    })
}

/// Properties named by the keys of the line.
fn properties(words: &Words<'_>) -> Properties {
    let mut builder = PropertiesBuilder::new();
    for (key, value) in &words.keyed {
        let number = || value.parse::<u32>().unwrap_or_else(|_| panic!("`{key}={value}` is no number"));
        builder.push(match *key {
            "session" => Property::SessionExpiryInterval(number()),
            "receive" => Property::ReceiveMaximum(number() as u16),
            "size" => Property::MaximumPacketSize(number()),
            "aliases" => Property::TopicAliasMaximum(number() as u16),
            "problem" => Property::RequestProblemInformation(number() == 1),
            "method" => Property::AuthenticationMethod(text(value)),
            "expiry" => Property::MessageExpiryInterval(number()),
            "alias" => Property::TopicAlias(number() as u16),
            "type" => Property::ContentType(text(value)),
            "response" => Property::ResponseTopic(text(value)),
            "correlation" => Property::CorrelationData(Bytes::copy_from_slice(value.as_bytes())),
            "sub" => Property::SubscriptionIdentifier(number()),
            "user" => {
                let (name, value) = value.split_once(':').expect("user=name:value");
                Property::UserProperty(text(name), text(value))
            }
            _ => continue,
        });
    }
    builder.build()
}

/// The packet a line describes.
pub(crate) fn parse(line: &str) -> Packet {
    let words = Words::of(line);
    let ack = || Ack {
        packet_id: packet_id(words.at(1).parse().expect("a packet identifier")),
        reason: reason(&words, 2),
        properties: properties(&words),
    };
    match words.at(0) {
        "CONNECT" => Packet::Connect(Box::new(connect(&words))),
        "PUBLISH" => Packet::Publish(publish(&words)),
        "PUBACK" => Packet::PubAck(ack()),
        "PUBREC" => Packet::PubRec(ack()),
        "PUBREL" => Packet::PubRel(ack()),
        "PUBCOMP" => Packet::PubComp(ack()),
        "SUBSCRIBE" => Packet::Subscribe(Subscribe {
            packet_id: packet_id(words.at(1).parse().expect("a packet identifier")),
            properties: properties(&words),
            filters: words.plain[2..].iter().map(|word| filter(word)).collect(),
        }),
        "UNSUBSCRIBE" => Packet::Unsubscribe(Unsubscribe {
            packet_id: packet_id(words.at(1).parse().expect("a packet identifier")),
            properties: Properties::default(),
            filters: words.plain[2..].iter().map(|word| text(word)).collect(),
        }),
        "PINGREQ" => Packet::PingReq,
        "PINGRESP" => Packet::PingResp,
        "CONNACK" => Packet::ConnAck(mqtt::ConnAck {
            session_present: false,
            reason: ReasonCode::Success,
            properties: Properties::default(),
        }),
        "UNSUBACK" => Packet::UnsubAck(mqtt::UnsubAck {
            packet_id: PacketId::FIRST,
            properties: Properties::default(),
            reasons: vec![ReasonCode::Success],
        }),
        "DISCONNECT" => {
            Packet::Disconnect(Disconnect { reason: reason(&words, 1), properties: properties(&words) })
        }
        "AUTH" => Packet::Auth(Auth { reason: reason(&words, 1), properties: properties(&words) }),
        other => panic!("unknown packet `{other}`"),
    }
}

fn connect(words: &Words<'_>) -> Connect {
    let will = words.value("will").map(|will| {
        let (topic, payload) = will.split_once(':').expect("will=topic:payload");
        let mut builder = PropertiesBuilder::new();
        if let Some(secs) = words.number("will_delay") {
            builder.push(Property::WillDelayInterval(secs));
        }
        if let Some(secs) = words.number("will_expiry") {
            builder.push(Property::MessageExpiryInterval(secs));
        }
        Will {
            qos: qos(words.number("will_qos").unwrap_or(0)),
            retain: words.has("will_retain"),
            properties: builder.build(),
            topic: text(topic),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        }
    });
    Connect {
        version: if words.has("v3") { Version::V3_1_1 } else { Version::V5 },
        clean_start: words.has("clean"),
        keep_alive_secs: words.number("keep").unwrap_or(60),
        properties: properties(words),
        client_id: text(words.value("id").unwrap_or("")),
        will,
        username: words.value("user_name").map(text),
        password: None,
    }
}

fn publish(words: &Words<'_>) -> Publish {
    let payload = match words.number("bytes") {
        Some(length) => Bytes::from(vec![b'x'; length]),
        None => Bytes::copy_from_slice(words.at(2).trim_start_matches('-').as_bytes()),
    };
    Publish {
        dup: words.has("dup"),
        qos: qos(words.number("qos").unwrap_or(0)),
        retain: words.has("retain"),
        topic: text(words.at(1)),
        packet_id: words.number("id").map(packet_id),
        properties: properties(words),
        payload,
    }
}

/// `filter:qos,option…`
fn filter(word: &str) -> SubscribeFilter {
    let (filter, options) = word.rsplit_once(':').unwrap_or((word, "0"));
    let mut parsed = SubscriptionOptions::default();
    for option in options.split(',') {
        match option {
            "nolocal" => parsed.no_local = true,
            "rap" => parsed.retain_as_published = true,
            "rh1" => parsed.retain_handling = RetainHandling::SendIfNew,
            "rh2" => parsed.retain_handling = RetainHandling::DoNotSend,
            number => parsed.qos = qos(number.parse().expect("qos or an option")),
        }
    }
    SubscribeFilter { filter: text(filter), options: parsed }
}

/// The line that describes a packet from the server. What a CONNACK says by default is left out.
pub(crate) fn render(packet: &Packet) -> String {
    match packet {
        Packet::ConnAck(connack) => {
            let mut line = String::from("CONNACK");
            if connack.reason.is_error() {
                write!(line, " 0x{:02x}", connack.reason.number()).expect("text grows");
            }
            if connack.session_present {
                line.push_str(" present");
            }
            line + &connack.properties.iter().map(|property| render_property(&property)).collect::<String>()
        }
        Packet::Publish(publish) => render_publish(publish),
        Packet::PubAck(ack) => render_ack("PUBACK", ack),
        Packet::PubRec(ack) => render_ack("PUBREC", ack),
        Packet::PubRel(ack) => render_ack("PUBREL", ack),
        Packet::PubComp(ack) => render_ack("PUBCOMP", ack),
        Packet::SubAck(ack) => render_reasons("SUBACK", ack.packet_id, &ack.reasons, &ack.properties),
        Packet::UnsubAck(ack) => render_reasons("UNSUBACK", ack.packet_id, &ack.reasons, &ack.properties),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(disconnect) => format!("DISCONNECT 0x{:02x}", disconnect.reason.number()),
        Packet::Auth(auth) => {
            let properties = auth.properties.iter().map(|property| render_property(&property));
            format!("AUTH 0x{:02x}{}", auth.reason.number(), properties.collect::<String>())
        }
        other => format!("{other:?}"),
    }
}

fn render_ack(name: &str, ack: &Ack) -> String {
    let mut line = format!("{name} {}", ack.packet_id);
    if ack.reason != ReasonCode::Success {
        write!(line, " 0x{:02x}", ack.reason.number()).expect("text grows");
    }
    line + &ack.properties.iter().map(|property| render_property(&property)).collect::<String>()
}

fn render_reasons(name: &str, id: PacketId, reasons: &[ReasonCode], properties: &Properties) -> String {
    let mut line = format!("{name} {id}");
    for reason in reasons {
        write!(line, " 0x{:02x}", reason.number()).expect("text grows");
    }
    line + &properties.iter().map(|property| render_property(&property)).collect::<String>()
}

fn render_publish(publish: &Publish) -> String {
    let payload = String::from_utf8_lossy(&publish.payload);
    let payload = match payload.len() {
        0 => "-".to_owned(),
        1..40 => payload.into_owned(),
        length => format!("bytes={length}"),
    };
    let topic = if publish.topic.is_empty() { "-" } else { &publish.topic };
    let mut line = format!("PUBLISH {topic} {payload}");
    if publish.qos > Qos::AtMostOnce {
        write!(line, " qos={}", publish.qos.number()).expect("text grows");
    }
    if let Some(id) = publish.packet_id {
        write!(line, " id={id}").expect("text grows");
    }
    for (flag, name) in [(publish.dup, " dup"), (publish.retain, " retain")] {
        if flag {
            line.push_str(name);
        }
    }
    line + &publish.properties.iter().map(|property| render_property(&property)).collect::<String>()
}

fn render_property(property: &Property) -> String {
    match property {
        Property::ReceiveMaximum(100)
        | Property::TopicAliasMaximum(16)
        | Property::MaximumPacketSize(262_144) => String::new(),
        Property::ReceiveMaximum(number) => format!(" receive={number}"),
        Property::TopicAliasMaximum(number) => format!(" aliases={number}"),
        Property::MaximumPacketSize(number) => format!(" size={number}"),
        Property::SessionExpiryInterval(number) => format!(" session={number}"),
        Property::ServerKeepAlive(number) => format!(" keep={number}"),
        Property::AssignedClientIdentifier(_) => " assigned".to_owned(),
        Property::MaximumQos(qos) => format!(" qos={}", qos.number()),
        Property::RetainAvailable(_) => " noretain".to_owned(),
        Property::WildcardSubscriptionAvailable(_) => " nowildcard".to_owned(),
        Property::SubscriptionIdentifierAvailable(_) => " noidentifiers".to_owned(),
        Property::SharedSubscriptionAvailable(_) => " noshared".to_owned(),
        Property::MessageExpiryInterval(number) => format!(" expiry={number}"),
        Property::TopicAlias(number) => format!(" alias={number}"),
        Property::AuthenticationMethod(text) => format!(" method={text}"),
        Property::ContentType(text) => format!(" type={text}"),
        Property::ResponseTopic(text) => format!(" response={text}"),
        Property::CorrelationData(data) => format!(" correlation={}", String::from_utf8_lossy(data)),
        Property::SubscriptionIdentifier(number) => format!(" sub={number}"),
        Property::UserProperty(name, value) => format!(" user={name}:{value}"),
        Property::ReasonString(text) => format!(" \"{text}\""),
        Property::PayloadFormatIndicator(flag) => format!(" utf8={}", u8::from(*flag)),
        other => format!(" {other:?}"),
    }
}
