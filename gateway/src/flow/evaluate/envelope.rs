//! An event as patterns see it: EventBridge's envelope, with what CloudEvents knows beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::event::{CLOUD_EVENT_SOURCE, rfc3339};
use serde_json::Value;

/// Where an event comes from.
pub(super) struct Source<'s> {
    pub(super) id: &'s str,
    pub(super) rule: &'s str,
    pub(super) topic: &'s str,
    pub(super) client_id: &'s str,
    pub(super) account_id: &'s str,
    pub(super) region: &'s str,
    pub(super) accepted_at_ms: u64,
}

/// The event as JSON. Data that is no JSON stands in `detail_base64` in place of `detail`.
pub(super) fn envelope(source: &Source<'_>, data: &[u8]) -> String {
    let json = std::str::from_utf8(data).ok().filter(|text| patterns::is_json(text));
    let mut text = String::with_capacity(512 + data.len());
    let mut put = |name: &str, value: &str| {
        text.push_str(if text.is_empty() { "{\"" } else { ",\"" });
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    };
    let quoted = |text: &str| Value::from(text).to_string();
    put("version", "\"0\"");
    put("id", &quoted(source.id));
    put("detail-type", &quoted(&format!("iot-gateway.rule.{}", source.rule)));
    put("source", &quoted(CLOUD_EVENT_SOURCE));
    put("account", &quoted(source.account_id));
    put("time", &quoted(&rfc3339(source.accepted_at_ms)));
    put("region", &quoted(source.region));
    match source.topic {
        "" => put("resources", "[]"),
        topic => {
            put("resources", &format!("[{}]", quoted(topic)));
            put("subject", &quoted(topic));
        }
    }
    if !source.client_id.is_empty() {
        put("clientid", &quoted(source.client_id));
    }
    put("rule", &quoted(source.rule));
    match json {
        Some(json) => put("detail", json),
        None => put("detail_base64", &quoted(&STANDARD.encode(data))),
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_json_whatever_its_data_are() {
        let source = Source {
            id: "0:hot",
            rule: "hot",
            topic: "plant/\"7\"",
            client_id: "",
            account_id: "123456789012",
            region: "us-east-1",
            accepted_at_ms: 1_720_000_000_123,
        };
        let common = json!({
            "version": "0", "id": "0:hot", "detail-type": "iot-gateway.rule.hot", "source": "/iot-gateway", "account": "123456789012",
            "time": "2024-07-03T09:46:40.123Z", "region": "us-east-1", "resources": ["plant/\"7\""], "subject": "plant/\"7\"", "rule": "hot",
        });
        let cases = [
            (&b"{\"t\":81}"[..], "detail", json!({"t": 81})),
            (b"[1]", "detail", json!([1])),
            (b"{broken", "detail_base64", json!("e2Jyb2tlbg==")),
            (&[0, 255], "detail_base64", json!("AP8=")),
            (b"", "detail_base64", json!("")),
        ];
        for (data, member, value) in cases {
            let mut expected = common.clone();
            expected[member] = value;
            let made: Value = serde_json::from_str(&envelope(&source, data)).expect("it is JSON");
            assert_eq!(made, expected);
        }
    }
}
