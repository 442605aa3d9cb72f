//! `format`, `payload_bytes`, `payload` and `values` of a publication.

use super::section::{Section, Span};
use super::signal;
use crate::scenario::{Body, Field, Format, MessageTemplate, Payload};
use crate::truth::proof::RAW_HEADER_BYTES;

const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("cbor", Format::Cbor), ("raw", Format::Raw)];
/// A megabyte; what MQTT servers take is often less.
const PAYLOAD_BYTES_MAX: u64 = 1024 * 1024;
/// What only the proof may be called.
pub(super) const RESERVED: &[&str] =
    &["deviceId", "sequence", "sentAtMs", "dueMicros", "run", "checksum", "padding"];

pub(super) fn read(section: &Section<'_, '_>) -> Option<Payload> {
    let format = section.choice("format", FORMATS).unwrap_or(Format::Json);
    let given = section.whole("payload_bytes", 1..=PAYLOAD_BYTES_MAX);
    if let Some((bytes, span)) = &given
        && format == Format::Raw
        && *bytes < RAW_HEADER_BYTES as u64
    {
        let message =
            format!("a raw payload begins with a proof of {RAW_HEADER_BYTES} bytes; it cannot have {bytes}");
        section.reader.refuse(span.clone(), message);
    }
    let bytes = given.and_then(|(bytes, _)| usize::try_from(bytes).ok());
    let fields = fields(section, format);
    let body = match section.text("payload") {
        None if section.has("payload") => return None,
        None => Body::Values(fields),
        Some((text, span)) => Body::Template(template(section, text, span, fields, bytes.is_some(), format)?),
    };
    Some(Payload { format, bytes, body })
}

fn fields(section: &Section<'_, '_>, format: Format) -> Vec<Field> {
    let Some(inner) = section.section("values", "`values`") else { return Vec::new() };
    if format == Format::Raw {
        section.reader.refuse(
            inner.span.clone(),
            "a raw payload has no values; choose `format = \"json\"` or `\"cbor\"`",
        );
    }
    let reserved = !section.has("payload");
    for (name, span, _) in inner.members() {
        if reserved && RESERVED.contains(&name) {
            let message =
                format!("`{name}` is part of the proof in each message; call the value something else");
            section.reader.refuse(span, message);
        }
    }
    signal::members(&inner)
}

fn template(
    section: &Section<'_, '_>,
    text: &str,
    span: Span,
    fields: Vec<Field>,
    padded: bool,
    format: Format,
) -> Option<MessageTemplate> {
    let refuse = |message: String| section.reader.refuse(span.clone(), message);
    if format != Format::Json {
        refuse("`payload` is a template of JSON; leave out `format`, or describe `values`".to_owned());
        return None;
    }
    let text = match text.contains('{') {
        true => text.to_owned(),
        false => section.reader.file(text, span.clone(), "payload template")?.1,
    };
    let names: Vec<std::sync::Arc<str>> = fields.iter().map(|field| field.name.clone()).collect();
    match MessageTemplate::parse(&text, fields.clone()) {
        Ok(template) if !padded || template.has_padding() => Some(template),
        Ok(_) => {
            let padded = MessageTemplate::padded(&text, fields);
            if padded.is_none() {
                refuse(
                    "`payload_bytes` needs `{padding}` in the template, because it is not a JSON object"
                        .to_owned(),
                );
            }
            padded
        }
        Err(unknown) => {
            let known =
                names.iter().map(|name| &**name).chain(MessageTemplate::known().map(|name| -> &str { name }));
            section.refuse_placeholder(&unknown, span.clone(), known);
            None
        }
    }
}
