//! One event as headers and a body: the HTTP binding of CloudEvents 1.0.

use bus::{Delivery, Format};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The headers and the body of an event; `own` are the operator's, which win.
pub(super) fn encode(delivery: &Delivery, own: &HeaderMap) -> (HeaderMap, Bytes) {
    let (body, content_type) = delivery.body();
    let mut headers = HeaderMap::new();
    put(&mut headers, CONTENT_TYPE, content_type);
    put(&mut headers, IDEMPOTENCY_KEY, &percent_encoded(delivery.id.as_str()));
    if let Some(traceparent) = &delivery.traceparent {
        put(&mut headers, TRACEPARENT, traceparent);
    }
    if delivery.format == Format::Data {
        for (name, value) in delivery.cloud_event_attributes() {
            // In binary mode the media type of the data is the request's own.
            if name != "datacontenttype" {
                let header = HeaderName::try_from(format!("ce-{name}"));
                let header = header.expect("an attribute's name is made of lower-case letters and digits");
                put(&mut headers, header, &percent_encoded(&value));
            }
        }
    }
    headers.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    (headers, body)
}

/// A value that a header can't hold comes from a device; the header is left out, the event goes.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// CloudEvents HTTP binding, 3.1.3.2: everything but visible ASCII, and `"` and `%`, as `%XX` of its UTF-8.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => encoded.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloudevents_http_3_1_3_2_header_values_are_percent_encoded() {
        for (text, expected) in [
            ("plant/7/telemetry", "plant/7/telemetry"),
            ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("50% \"x\"\r\n", "50%25%20%22x%22%0D%0A"),
        ] {
            assert_eq!(percent_encoded(text), expected);
        }
    }
}
