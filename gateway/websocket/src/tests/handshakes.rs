//! Requests in, answers out.

use crate::{Refused, accept, is_asked_for};
use http::{Request, Version};

/// A request with the header of RFC 6455 section 1.2, changed by `change`: `name: value` replaces, `name` alone removes.
fn request(change: &str) -> Request<()> {
    let mut request = Request::get("/mqtt")
        .header("host", "gateway.example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "mqtt")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    match change.split_once(": ") {
        Some(("method", method)) => *request.method_mut() = method.parse().unwrap(),
        Some((name, value)) => {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        None => drop(request.headers_mut().remove(change)),
    }
    request
}

#[test]
fn the_example_of_rfc_6455_is_answered_as_it_says() {
    let response = accept(&request(""), "mqtt").unwrap();
    assert_eq!(response.status(), 101);
    let said = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(said("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!((said("upgrade"), said("connection")), ("websocket", "upgrade"));
    assert_eq!(said("sec-websocket-protocol"), "mqtt");
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
}

#[test]
fn what_clients_say_otherwise_is_understood() {
    for change in [
        "connection: keep-alive, Upgrade",
        "upgrade: WebSocket",
        "sec-websocket-protocol: mqttv3.1, mqtt",
        "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
    ] {
        let request = request(change);
        assert!(is_asked_for(request.headers()), "{change}");
        let response = accept(&request, "mqtt").unwrap_or_else(|refused| panic!("{change}: {refused}"));
        assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt", "[MQTT-6.0.0-4] {change}");
    }
}

#[test]
fn what_is_no_request_for_a_websocket_is_refused_with_a_reason() {
    let subprotocol = || Refused::Subprotocol("mqtt".to_string());
    let cases = [
        ("method: POST", Refused::Method(http::Method::POST), 405),
        ("connection", Refused::Connection, 400),
        ("connection: keep-alive", Refused::Connection, 400),
        ("sec-websocket-version", Refused::Version, 426),
        ("sec-websocket-version: 8", Refused::Version, 426),
        ("sec-websocket-key", Refused::Key, 400),
        ("sec-websocket-key: c2hvcnQ=", Refused::Key, 400),
        ("sec-websocket-key: not base64 at all!!!", Refused::Key, 400),
        // [MQTT-6.0.0-3]
        ("sec-websocket-protocol", subprotocol(), 400),
        ("sec-websocket-protocol: mqttv3.1", subprotocol(), 400),
        ("sec-websocket-protocol: MQTT", subprotocol(), 400),
    ];
    for (change, expected, status) in cases {
        let refused = accept(&request(change), "mqtt").unwrap_err();
        assert_eq!((&refused, refused.status().as_u16()), (&expected, status), "{change}");
    }
    let mut old = request("");
    *old.version_mut() = Version::HTTP_10;
    assert_eq!(accept(&old, "mqtt").unwrap_err(), Refused::HttpVersion);
    assert_eq!(Refused::Version.header().unwrap().1, "13", "RFC 6455 section 4.4");
    assert!(!is_asked_for(request("upgrade: h2c").headers()));
}
