//! One event as headers and a body: the HTTP binding of CloudEvents 1.0.

use bus::{Delivery, Format};
use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where an event is posted to: below the operator's URL, whose server and path stay what they are.
pub(super) fn address(url: &Url, delivery: &Delivery) -> Url {
    let mut address = url.clone();
    for (name, value) in &delivery.parameters {
        if name == "path" {
            // No segment of it leads upwards: that was checked when it was made, and is again here, where it would do harm. What the journal
            // holds may come from a version that checked less.
            if leads_upwards(value) {
                continue;
            }
            let base = url.path().trim_end_matches('/');
            address.set_path(&format!("{base}/{}", value.trim_start_matches('/')));
            if !address.path().strip_prefix(base).is_some_and(|below| below.starts_with('/')) {
                address.set_path(url.path());
            }
        } else if let Some(name) = name.strip_prefix("query.") {
            address.query_pairs_mut().append_pair(name, value);
        }
    }
    address
}

/// Whether a server that decodes the path before it splits it, once or twice, finds a segment `.` or `..`.
fn leads_upwards(path: &str) -> bool {
    let mut decoded = path.to_ascii_lowercase();
    for (encoded, plain) in [("%25", "%"), ("%2f", "/"), ("%5c", "/"), ("%2e", "."), ("%3b", ";")] {
        decoded = decoded.replace(encoded, plain);
    }
    decoded.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// The headers and the body of an event. Of one name the operator's wins over the gateway's, and that over the rule's; but a rule says itself
/// what its content is.
pub(super) fn encode(delivery: &Delivery, own: &HeaderMap) -> (HeaderMap, Bytes) {
    let (body, content_type) = delivery.body();
    let mut headers = HeaderMap::new();
    put(&mut headers, CONTENT_TYPE, content_type);
    for (name, value) in &delivery.parameters {
        let header = name.strip_prefix("headers.").and_then(|name| HeaderName::try_from(name).ok());
        // What isn't ASCII goes out as its UTF-8, as the rule wrote it.
        if let (Some(header), Ok(value)) = (header, HeaderValue::from_bytes(value.as_bytes())) {
            headers.insert(header, value);
        }
    }
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
    // Not `extend`, which adds a second value of a name that is there.
    for (name, value) in own {
        headers.insert(name.clone(), value.clone());
    }
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
    use bus::record::{Event, Origin, Record, Route};
    use bus::{Offset, TargetName};

    fn delivery(parameters: &[(&str, &str)]) -> Delivery {
        let target = TargetName::parse("http/a").unwrap();
        let mut record = Record::new(Origin::Device, 0);
        let parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let routes = vec![Route { parameters, ..Route::to(target.clone()) }];
        record.add(Event { routes, ..Event::json("hot", "1") });
        Delivery::from_record(&record, &target, Offset(1), 0).unwrap()
    }

    #[test]
    fn path_and_query_go_below_the_url() {
        for (url, parameters, expected) in [
            ("http://h/base/", &[("path", "/lines/a%2Fb")][..], "http://h/base/lines/a%2Fb"),
            ("http://h", &[("path", "/x")], "http://h/x"),
            (
                "http://h/b?k=1",
                &[("query.site", "a b&c=d"), ("path", "/x")],
                "http://h/b/x?k=1&site=a+b%26c%3Dd",
            ),
            ("http://h/b", &[("path", "/../../secret")], "http://h/b"),
            ("http://h/b", &[("path", "/../bsecret")], "http://h/b"),
            ("http://h/b", &[("path", "/x%2F..%2F..%2Fadmin")], "http://h/b"),
            ("http://h/b", &[("path", "/x%252f%2E.%5Cadmin")], "http://h/b"),
            ("http://h/b", &[("path", "//evil.example/x")], "http://h/b/evil.example/x"),
            ("http://h", &[("path", "//evil.example/x")], "http://h/evil.example/x"),
            ("http://h/b", &[("headers.x", "y")], "http://h/b"),
        ] {
            assert_eq!(address(&Url::parse(url).unwrap(), &delivery(parameters)).as_str(), expected);
        }
    }

    #[test]
    fn headers_of_a_rule_come_after_those_of_the_operator_and_the_gateway() {
        let own = HeaderMap::from_iter([(
            HeaderName::from_static("authorization"),
            HeaderValue::from_static("secret"),
        )]);
        let parameters = [
            ("headers.X-Line", "ofen-ü"),
            ("headers.Content-Type", "text/plain"),
            ("headers.Authorization", "stolen"),
            ("headers.Idempotency-Key", "mine"),
            ("headers.X-Bad", "a\r\nb: c"),
        ];
        let (headers, _) = encode(&delivery(&parameters), &own);
        assert_eq!(headers["x-line"].as_bytes(), "ofen-ü".as_bytes());
        assert_eq!(headers[CONTENT_TYPE], "text/plain");
        assert_eq!(headers["authorization"], "secret");
        assert!(headers[IDEMPOTENCY_KEY].to_str().unwrap().ends_with(":hot"));
        assert!(!headers.contains_key("x-bad") && !headers.contains_key("b"));
    }

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
