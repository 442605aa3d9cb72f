//! What the message says about itself: topic, sender, time.

use std::borrow::Cow;

use super::ArgumentKind::{self, Number as Num};
use super::{Call, Function, example, one, optional};
use crate::number::Number;
use crate::statement::SqlVersion::V2015;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "topic",
        arguments: &[optional("level", Num)],
        since: V2015,
        description: "The topic of the message, or one of its levels counted from 1.",
        examples: &[
            example("topic()", "\"plant/kiln7/telemetry\""),
            example("topic(2)", "\"kiln7\""),
            example("topic(9)", "Undefined"),
        ],
        evaluate: topic,
    },
    Function {
        name: "timestamp",
        arguments: &[],
        since: V2015,
        description: "Milliseconds since 1970 when the gateway took the message; the same for all its rules.",
        examples: &[example("timestamp()", "1718000000123"), example("timestamp() % 1000", "123")],
        evaluate: |call| Value::Number(Number::from(i64::try_from(call.message.now_ms).unwrap_or(i64::MAX))),
    },
    Function {
        name: "clientid",
        arguments: &[],
        since: V2015,
        description: "The MQTT client identifier of the sender, or `n/a` when it didn't use MQTT.",
        examples: &[example("clientid()", "\"kiln7\""), example("upper(clientid())", "\"KILN7\"")],
        evaluate: |call| Value::string(call.message.client_id.unwrap_or("n/a")),
    },
    Function {
        name: "principal",
        arguments: &[],
        since: V2015,
        description: "The fingerprint (SHA-256, hexadecimal) of the sender's certificate; of a sender without one, the name of its user.",
        examples: &[example("principal()", "\"abab\""), example("length(principal())", "4")],
        evaluate: |call| text_or_undefined(call.message.principal),
    },
    Function {
        name: "accountid",
        arguments: &[],
        since: V2015,
        description: "The account the gateway works for.",
        examples: &[example("accountid()", "\"000000000000\""), example("accountid() = '1'", "false")],
        evaluate: |call| text_or_undefined(call.message.account_id),
    },
    Function {
        name: "sourceip",
        arguments: &[],
        since: V2015,
        description: "The address the message came from.",
        examples: &[
            example("sourceip()", "\"192.0.2.44\""),
            example("startswith(sourceip(), '192.')", "true"),
        ],
        evaluate: |call| text_or_undefined(call.message.source_ip),
    },
    Function {
        name: "traceid",
        arguments: &[],
        since: V2015,
        description: "The identifier that follows the message through the gateway; Undefined when it didn't come by MQTT.",
        examples: &[example("isUndefined(traceid())", "false"), example("traceid()", "\"trace-1\"")],
        evaluate: |call| match call.message.client_id {
            Some(_) => text_or_undefined(call.message.trace_id),
            None => Value::Undefined,
        },
    },
    Function {
        name: "newuuid",
        arguments: &[],
        since: V2015,
        description: "A fresh random UUID (version 4).",
        examples: &[
            example("newuuid()", "\"07070707-0707-4707-8707-070707070707\""),
            example("length(newuuid())", "36"),
        ],
        evaluate: |call| Value::string(uuid_text(call.message.randomness.bytes())),
    },
    Function {
        name: "sql_version",
        arguments: &[],
        since: V2015,
        description: "The SQL version of the rule.",
        examples: &[example("sql_version()", "\"2016-03-23\""), example("length(sql_version())", "10")],
        evaluate: |call| Value::string(call.version.text()),
    },
    Function {
        name: "get_mqtt_property",
        arguments: &[one("name", ArgumentKind::String)],
        since: V2015,
        description: "An MQTT 5 property: `content_type`, `format_indicator`, `response_topic` or `correlation_data`.",
        examples: &[
            example("get_mqtt_property('content_type')", "\"application/json\""),
            example("get_mqtt_property('format_indicator')", "\"UTF8_DATA\""),
            example("get_mqtt_property('colour')", "Undefined"),
        ],
        evaluate: mqtt_property,
    },
    Function {
        name: "get_user_properties",
        arguments: &[optional("name", ArgumentKind::String)],
        since: V2015,
        description: "The values of the MQTT 5 user properties of that name, or all of them as objects.",
        examples: &[
            example("get_user_properties('owner')", "[\"p1\",\"p2\"]"),
            example("get(get_user_properties(), 0)", "{\"owner\":\"p1\"}"),
            example("get_user_properties('nobody')", "Undefined"),
        ],
        evaluate: user_properties,
    },
];

fn text_or_undefined(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Undefined, Value::string)
}

fn topic<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let topic = call.message.topic();
    if call.arguments.is_empty() {
        return Value::string(topic);
    }
    let level = call.argument(0).to_index().and_then(|level| usize::try_from(level).ok()?.checked_sub(1));
    level.and_then(|level| topic.split('/').nth(level)).map_or(Value::Undefined, Value::string)
}

/// Sets the version and variant bits (RFC 9562, section 5.4) and writes the groups.
fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

fn mqtt_property<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let properties = &call.message.properties;
    let Some(name) = call.string(0) else { return Value::Undefined };
    match name {
        "content_type" => text_or_undefined(properties.content_type),
        "response_topic" => text_or_undefined(properties.response_topic),
        "format_indicator" => text_or_undefined(
            properties.payload_is_utf8.map(|is_utf8| if is_utf8 { "UTF8_DATA" } else { "UNSPECIFIED_BYTES" }),
        ),
        "correlation_data" => properties
            .correlation_data
            .map_or(Value::Undefined, |data| Value::string(super::encoding::base64_text(data))),
        _ => Value::Undefined,
    }
}

fn user_properties<'v>(call: &Call<'_, 'v>) -> Value<'v> {
    let properties = call.message.properties.user_properties.iter();
    let found: Vec<Value<'v>> = if call.arguments.is_empty() {
        properties
            .map(|(name, value)| Value::object(vec![(Cow::Borrowed(*name), Value::string(*value))]))
            .collect()
    } else {
        let Some(wanted) = call.string(0) else { return Value::Undefined };
        properties.filter(|(name, _)| *name == wanted).map(|(_, value)| Value::string(*value)).collect()
    };
    if found.is_empty() { Value::Undefined } else { Value::array(found) }
}
