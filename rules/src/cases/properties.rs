//! What a case says of an MQTT 5 message beside its topic and payload.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::fields::Fields;
use crate::message::PublishProperties;

/// `mqtt_properties` of a case, named as `get_mqtt_property` names them.
#[derive(Debug, Default)]
pub(super) struct Properties {
    content_type: Option<String>,
    payload_is_utf8: Option<bool>,
    response_topic: Option<String>,
    correlation_data: Option<Vec<u8>>,
    pub(super) user_properties: Vec<(String, String)>,
}

impl Properties {
    /// Reads them; a property that rules can't ask for is none of their business.
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, String> {
        let indicator: Option<serde_json::Value> = fields.take("format_indicator")?;
        let correlation_data: Option<String> = fields.take("correlation_data")?;
        Ok(Self {
            content_type: fields.take("content_type")?,
            payload_is_utf8: indicator.as_ref().map(is_utf8).transpose()?,
            response_topic: fields.take("response_topic")?,
            // As `get_mqtt_property` shows it; what isn't Base64 can only be meant as it stands.
            correlation_data: correlation_data
                .map(|text| STANDARD.decode(&text).unwrap_or(text.into_bytes())),
            user_properties: user_properties(fields.raw("user_properties"))?,
        })
    }

    /// Lends them to a message.
    pub(super) fn lend<'m>(&'m self, properties: &mut PublishProperties<'m>) {
        properties.content_type = self.content_type.as_deref();
        properties.payload_is_utf8 = self.payload_is_utf8;
        properties.response_topic = self.response_topic.as_deref();
        properties.correlation_data = self.correlation_data.as_deref();
    }
}

fn is_utf8(indicator: &serde_json::Value) -> Result<bool, String> {
    match indicator.as_str() {
        Some("UTF8_DATA") => Ok(true),
        Some("UNSPECIFIED_BYTES") => Ok(false),
        _ => match indicator.as_u64() {
            Some(number @ 0..=1) => Ok(number == 1),
            _ => Err(format!(
                "`format_indicator`: `{indicator}`; there are `UTF8_DATA` and `UNSPECIFIED_BYTES`"
            )),
        },
    }
}

/// Reads `[["name", "value"], …]`, or objects with one or more members, each a value or an array of values.
pub(super) fn user_properties(raw: Option<&RawValue>) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    match raw.map(RawValue::get) {
        None | Some("null") => {}
        Some(text) if text.starts_with('{') => members(text, &mut pairs)?,
        Some(text) => {
            let listed: Vec<&RawValue> = read(text)?;
            for item in listed {
                if item.get().starts_with('{') {
                    members(item.get(), &mut pairs)?;
                } else {
                    let (name, value): (String, &RawValue) = read(item.get())?;
                    pairs.push((name, text_of(value)));
                }
            }
        }
    }
    Ok(pairs)
}

fn read<'l, T: serde::Deserialize<'l>>(text: &'l str) -> Result<T, String> {
    serde_json::from_str(text)
        .map_err(|_| "`user_properties` is not written `[[\"name\", \"value\"], …]`".to_owned())
}

fn members(text: &str, pairs: &mut Vec<(String, String)>) -> Result<(), String> {
    for (name, value) in Fields::read(text, "an object: a user property")?.into_members() {
        if value.get().starts_with('[') {
            let values: Vec<&RawValue> = read(value.get())?;
            pairs.extend(values.into_iter().map(|value| (name.clone(), text_of(value))));
        } else {
            pairs.push((name, text_of(value)));
        }
    }
    Ok(())
}

fn text_of(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}
