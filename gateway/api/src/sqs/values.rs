//! Message attributes as the protocol writes them, and the digests that SDKs check.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::Attribute;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use targets::queue::ATTRIBUTES_MAX;

use super::faults::invalid_value;
use crate::aws::Fault;

/// One attribute in a request or an answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Value {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    #[serde(default)]
    data_type: String,
}

pub(super) type Values = BTreeMap<String, Value>;

impl Value {
    /// The text of an attribute of type `String`.
    pub(super) fn into_text(self) -> Option<String> {
        self.string_value
    }
}

/// Reads and checks the attributes of a message.
pub(super) fn read(values: &Values) -> Result<Vec<Attribute>, Fault> {
    if values.len() > ATTRIBUTES_MAX {
        return Err(invalid_value(format!(
            "a message has at most {ATTRIBUTES_MAX} attributes; this one has {}",
            values.len()
        )));
    }
    values.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &Value) -> Result<Attribute, Fault> {
    check_name(name)?;
    let bent = |why: &str| invalid_value(format!("the message attribute `{name}` {why}"));
    let base_type = value.data_type.split('.').next().unwrap_or_default();
    let bytes = match base_type {
        "Binary" => {
            let text = value.binary_value.as_deref().ok_or_else(|| bent("needs a `BinaryValue`"))?;
            STANDARD.decode(text).map_err(|_| bent("has a `BinaryValue` that is not base64"))?
        }
        "String" | "Number" => {
            let text = value.string_value.clone().ok_or_else(|| bent("needs a `StringValue`"))?;
            if base_type == "Number" && text.trim().parse::<f64>().is_err() {
                return Err(bent("has the type `Number` and a value that is none"));
            }
            if !is_text(&text) {
                return Err(bent("has characters that a message can't hold"));
            }
            text.into_bytes()
        }
        _ => {
            return Err(bent(
                "must have the type `String`, `Number` or `Binary`, or one of these with a suffix",
            ));
        }
    };
    if bytes.is_empty() {
        return Err(bent("has no value"));
    }
    if value.data_type.len() > 256 {
        return Err(bent("has a type of more than 256 characters"));
    }
    Ok(Attribute { name: name.to_owned(), data_type: value.data_type.clone(), value: Bytes::from(bytes) })
}

fn check_name(name: &str) -> Result<(), Fault> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    let reserved = lower.starts_with("aws.") || lower.starts_with("amazon.");
    let dotted = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if name.is_empty() || name.len() > 256 || reserved || dotted || !name.bytes().all(legal) {
        return Err(invalid_value(format!(
            "`{name}` can't be the name of a message attribute; use up to 256 letters, digits, `-`, `_` and `.`, not \
             beginning with `AWS.` or `Amazon.`"
        )));
    }
    Ok(())
}

/// True when every character may stand in a message: those that XML 1.0 can hold.
pub(super) fn is_text(text: &str) -> bool {
    text.chars().all(|character| {
        matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    })
}

/// Writes attributes.
pub(super) fn write(attributes: &[&Attribute]) -> Values {
    let value = |attribute: &Attribute| {
        let data_type = attribute.data_type.clone();
        match is_binary(attribute) {
            true => {
                Value { binary_value: Some(STANDARD.encode(&attribute.value)), data_type, ..Value::default() }
            }
            false => {
                let text = String::from_utf8_lossy(&attribute.value).into_owned();
                Value { string_value: Some(text), data_type, ..Value::default() }
            }
        }
    };
    attributes.iter().map(|attribute| (attribute.name.clone(), value(attribute))).collect()
}

fn is_binary(attribute: &Attribute) -> bool {
    attribute.data_type.split('.').next() == Some("Binary")
}

/// The digest of a body that SDKs compare with their own.
pub(super) fn body_digest(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// The digest of attributes that SDKs compare with their own: names, types and values in order of name, each with its
/// length, and a byte that tells text from binary. `None` when there are none.
pub(super) fn attributes_digest(attributes: &[&Attribute]) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut sorted = attributes.to_vec();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut pieces = Vec::new();
    for attribute in sorted {
        pieces.push((attribute.name.as_bytes(), None));
        pieces.push((attribute.data_type.as_bytes(), None));
        pieces.push((&attribute.value[..], Some(if is_binary(attribute) { 2_u8 } else { 1 })));
    }
    let mut bytes = Vec::new();
    for (piece, kind) in pieces {
        bytes.extend(kind);
        bytes.extend(u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(piece);
    }
    Some(hex::encode(Md5::digest(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, data_type: &str, value: &str) -> Attribute {
        let value = Bytes::from(value.to_owned());
        Attribute { name: name.into(), data_type: data_type.into(), value }
    }

    /// The expected digests were made with another MD5 from the documented layout of the bytes.
    #[test]
    fn digests_are_those_of_the_sdks() {
        assert_eq!(body_digest("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        let attribute = text("timestamp", "Number", "1493147359900");
        assert_eq!(attributes_digest(&[&attribute]).unwrap(), "235c5c510d26fb653d073faed50ae77c");
        assert_eq!(attributes_digest(&[]), None);
    }

    #[test]
    fn attributes_are_checked() {
        let cases = [
            ("name", "String", Some("x"), true),
            ("name", "Number.int", Some("12"), true),
            ("name", "Number", Some("twelve"), false),
            ("name", "String", None, false),
            ("name", "String", Some(""), false),
            ("name", "Text", Some("x"), false),
            ("AWS.name", "String", Some("x"), false),
            ("a..b", "String", Some("x"), false),
            ("$sender", "String", Some("x"), false),
            ("name", "String", Some("\u{0}"), false),
        ];
        for (name, data_type, value, accepted) in cases {
            let value = Value {
                string_value: value.map(str::to_owned),
                data_type: data_type.into(),
                ..Value::default()
            };
            let read = read(&[(name.to_owned(), value)].into());
            assert_eq!(read.is_ok(), accepted, "{name} {data_type} {read:?}");
        }
    }
}
