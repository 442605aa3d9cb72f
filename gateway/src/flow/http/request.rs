//! What a request to publish asks for: the parameters and headers of AWS IoT's `Publish`, as a PUBLISH packet without its payload.

use super::answer::Fault;
use axum::extract::Query;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::http::request::Parts;
use mqtt::{Properties, PropertiesBuilder, Property, Publish, Qos, Text, topic};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Before the topic in the path.
pub(super) const TOPICS: &str = "/topics/";
const USER_PROPERTIES: &str = "x-amz-mqtt5-user-properties";
const PAYLOAD_FORMAT: &str = "x-amz-mqtt5-payload-format-indicator";
const CORRELATION_DATA: &str = "x-amz-mqtt5-correlation-data";
/// A property holds at most as many bytes.
const CORRELATION_BYTES_MAX: usize = 65_535;

/// The query. Unknown parameters are ignored, as AWS does.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Parameters {
    qos: u8,
    retain: bool,
    content_type: Option<String>,
    response_topic: Option<String>,
    message_expiry: Option<u32>,
}

/// The PUBLISH that a request asks for, its payload still missing.
///
/// # Errors
/// Which part can't be understood, and what it should be.
pub(super) fn read(head: &Parts) -> Result<Publish, Fault> {
    let name = head.uri.path().strip_prefix(TOPICS).unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8();
    let name = name.map_err(|_| Fault::invalid("the topic in the path is not UTF-8"))?;
    let topic = topic_name("topic", &name)?;
    let parameters: Query<Parameters> = Query::try_from_uri(&head.uri)
        .map_err(|error| Fault::invalid(format!("the query can't be read: {error}")))?;
    let qos = match parameters.qos {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        other => return Err(Fault::invalid(format!("`qos` is `{other}`; it is 0 or 1"))),
    };
    Ok(Publish {
        dup: false,
        qos,
        retain: parameters.retain,
        topic,
        packet_id: None,
        properties: properties(&parameters, &head.headers)?,
        payload: Bytes::new(),
    })
}

fn topic_name(what: &str, name: &str) -> Result<Text, Fault> {
    let faulty = |error: &dyn std::fmt::Display| Fault::invalid(format!("{what} `{name}`: {error}"));
    let text = Text::try_from(name).map_err(|error| faulty(&error))?;
    topic::check_name(&text).map_err(|error| faulty(&error))?;
    Ok(text)
}

fn properties(parameters: &Parameters, headers: &HeaderMap) -> Result<Properties, Fault> {
    let mut properties = PropertiesBuilder::new();
    if let Some(is_utf8) = payload_format(headers)? {
        properties.push(Property::PayloadFormatIndicator(is_utf8));
    }
    if let Some(secs) = parameters.message_expiry {
        properties.push(Property::MessageExpiryInterval(secs));
    }
    if let Some(content_type) = &parameters.content_type {
        properties.push(Property::ContentType(text("contentType", content_type)?));
    }
    if let Some(topic) = &parameters.response_topic {
        properties.push(Property::ResponseTopic(topic_name("responseTopic", topic)?));
    }
    if let Some(data) = header_base64(headers, CORRELATION_DATA)? {
        if data.len() > CORRELATION_BYTES_MAX {
            let message = format!(
                "`{CORRELATION_DATA}` has {} bytes, the limit is {CORRELATION_BYTES_MAX}",
                data.len()
            );
            return Err(Fault::invalid(message));
        }
        properties.push(Property::CorrelationData(data));
    }
    for (name, value) in user_properties(headers)? {
        properties
            .push(Property::UserProperty(text("user property", &name)?, text("user property", &value)?));
    }
    Ok(properties.build())
}

fn text(what: &str, value: &str) -> Result<Text, Fault> {
    Text::try_from(value).map_err(|error| Fault::invalid(format!("{what} `{value}`: {error}")))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Fault> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value = value.to_str().map_err(|_| Fault::invalid(format!("the header `{name}` is not ASCII")))?;
    Ok(Some(value.trim()))
}

fn header_base64(headers: &HeaderMap, name: &str) -> Result<Option<Bytes>, Fault> {
    let Some(value) = header(headers, name)? else { return Ok(None) };
    let bytes = STANDARD.decode(value);
    let bytes =
        bytes.map_err(|error| Fault::invalid(format!("the header `{name}` is not base64: {error}")))?;
    Ok(Some(bytes.into()))
}

fn payload_format(headers: &HeaderMap) -> Result<Option<bool>, Fault> {
    match header(headers, PAYLOAD_FORMAT)? {
        None => Ok(None),
        Some("UTF8_DATA") => Ok(Some(true)),
        Some("UNSPECIFIED_BYTES") => Ok(Some(false)),
        Some(other) => Err(Fault::invalid(format!(
            "the header `{PAYLOAD_FORMAT}` is `{other}`; it is `UTF8_DATA` or `UNSPECIFIED_BYTES`"
        ))),
    }
}

/// Base64 of a JSON array of objects whose members are the properties; a name may come again in another object.
fn user_properties(headers: &HeaderMap) -> Result<Vec<(String, String)>, Fault> {
    let Some(json) = header_base64(headers, USER_PROPERTIES)? else { return Ok(Vec::new()) };
    let objects: Vec<Map<String, Value>> = serde_json::from_slice(&json).map_err(|error| {
        Fault::invalid(format!(
            "the header `{USER_PROPERTIES}` is not base64 of a JSON array of objects: {error}"
        ))
    })?;
    let members = objects.into_iter().flatten();
    let strings = members.map(|(name, value)| match value {
        Value::String(value) => Ok((name, value)),
        other => Err(Fault::invalid(format!("the user property `{name}` is `{other}`; it is a string"))),
    });
    strings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn parse(uri: &str, headers: &[(&str, &str)]) -> Result<Publish, String> {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(&request.body(()).unwrap().into_parts().0).map_err(|fault| fault.message().to_string())
    }

    #[test]
    fn a_request_says_everything_that_a_publish_of_mqtt_5_can() {
        let user = STANDARD.encode(r#"[{"line": "a", "shift": "b"}, {"line": "c"}]"#);
        let headers =
            [(USER_PROPERTIES, user.as_str()), (PAYLOAD_FORMAT, "UTF8_DATA"), (CORRELATION_DATA, "AAEC")];
        let uri = "/topics/plant%2Fkiln%207/caf%C3%A9?qos=1&retain=true&contentType=text%2Fplain\
                   &responseTopic=plant%2Fanswer&messageExpiry=60&somethingNew=1";
        let publish = parse(uri, &headers).unwrap();
        assert_eq!(publish.topic.as_str(), "plant/kiln 7/café");
        assert_eq!((publish.qos, publish.retain, publish.packet_id), (Qos::AtLeastOnce, true, None));
        let properties = &publish.properties;
        assert_eq!(properties.payload_is_utf8(), Some(true));
        assert_eq!(properties.content_type().as_deref(), Some("text/plain"));
        assert_eq!(properties.response_topic().as_deref(), Some("plant/answer"));
        assert_eq!(properties.message_expiry_secs(), Some(60));
        assert_eq!(properties.correlation_data().as_deref(), Some([0, 1, 2].as_slice()));
        let user: Vec<_> = properties.user_properties().collect();
        let user: Vec<_> = user.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(user, [("line", "a"), ("shift", "b"), ("line", "c")]);
    }

    #[test]
    fn a_request_need_say_no_more_than_its_topic() {
        let publish = parse("/topics/a/b", &[]).unwrap();
        assert_eq!((publish.topic.as_str(), publish.qos, publish.retain), ("a/b", Qos::AtMostOnce, false));
        assert!(publish.properties.is_empty());
        assert_eq!(parse("/topics//a", &[]).unwrap().topic.as_str(), "/a");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let number = STANDARD.encode(r#"[{"line": 1}]"#);
        let object = STANDARD.encode(r#"{"line": "a"}"#);
        let cases: &[(&str, (&str, &str), &str)] = &[
            ("/topics/", ("x", "y"), "topic ``"),
            ("/topics/a+/%2B", ("x", "y"), "topic `a+/+`"),
            ("/topics/%23", ("x", "y"), "topic `#`"),
            ("/topics/a%00b", ("x", "y"), "topic `a\0b`"),
            ("/topics/%FF", ("x", "y"), "not UTF-8"),
            ("/topics/a?qos=2", ("x", "y"), "`qos` is `2`; it is 0 or 1"),
            ("/topics/a?qos=one", ("x", "y"), "the query can't be read"),
            ("/topics/a?retain=yes", ("x", "y"), "the query can't be read"),
            ("/topics/a?messageExpiry=-1", ("x", "y"), "the query can't be read"),
            ("/topics/a?responseTopic=a%2F%23", ("x", "y"), "responseTopic `a/#`"),
            ("/topics/a", (PAYLOAD_FORMAT, "utf8"), "it is `UTF8_DATA` or"),
            ("/topics/a", (CORRELATION_DATA, "!"), "is not base64"),
            ("/topics/a", (USER_PROPERTIES, "[]"), "is not base64"),
            ("/topics/a", (USER_PROPERTIES, &number), "`line` is `1`; it is a string"),
            ("/topics/a", (USER_PROPERTIES, &object), "JSON array of objects"),
        ];
        for (uri, header, expected) in cases {
            let message = parse(uri, &[*header]).unwrap_err();
            assert!(
                message.contains(expected),
                "{uri} {header:?}\n  gave     {message}\n  expected {expected}"
            );
        }
    }
}
