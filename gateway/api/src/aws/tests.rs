//! What is the same for every operation: signatures, limits, the shape of errors.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::AwsSettings;
use crate::fixture::Gateway;
use crate::signature::AccessKey;

fn with_key() -> AwsSettings {
    let access_keys = vec![AccessKey { id: "AKIDEXAMPLE".into(), secret: "secret".into() }];
    AwsSettings { access_keys, ..AwsSettings::default() }
}

#[tokio::test]
async fn unsigned_requests_are_refused_unless_the_listener_is_loopback_and_the_settings_say_so() {
    for (allowed, is_loopback, answered) in
        [(false, true, false), (true, false, false), (true, true, true), (false, false, false)]
    {
        let settings = AwsSettings { allow_unsigned_on_loopback: allowed, ..with_key() };
        let gateway = Gateway::open(settings, is_loopback).await;
        for target in ["AmazonSQS.ListQueues", "Kinesis_20131202.ListStreams"] {
            let answer = gateway.call(target, &json!({})).await;
            match answered {
                true => assert_eq!(answer.status, StatusCode::OK, "{allowed} {is_loopback}"),
                false => {
                    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{allowed} {is_loopback}");
                    assert_eq!(answer.code(), "MissingAuthenticationToken");
                    assert_eq!(answer.headers["x-amzn-query-error"], "MissingAuthenticationToken;Sender");
                }
            }
        }
    }
}

/// A page that a browser on this machine shows can send such a request without being asked for permission first.
#[tokio::test]
async fn where_signatures_are_not_asked_for_pages_of_others_are_refused() {
    let gateway = Gateway::trusting().await;
    for (host, origin) in [("evil.example", None), ("127.0.0.1:8080", Some("https://evil.example"))] {
        for (path, target) in [("/", "AmazonSQS.ListQueues"), ("/2015-03-31/functions/grade/invocations", "")]
        {
            let mut request = Request::post(path).header("host", host).header("content-type", "text/plain");
            if !target.is_empty() {
                request = request.header("x-amz-target", target);
            }
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let answer = gateway.ask(request.body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{host} {origin:?} {path}");
        }
    }
}

#[tokio::test]
async fn where_signatures_are_not_asked_for_any_signature_will_do() {
    let gateway = Gateway::trusting().await;
    let request = Request::post("/")
        .header("x-amz-target", "AmazonSQS.ListQueues")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=dummy/20200101/eu/sqs/aws4_request, SignedHeaders=host, Signature=00")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(gateway.ask(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_request_of_ours_is_refused_by_name() {
    let gateway = Gateway::trusting().await;
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        ("", "application/x-amz-json-1.0", b"{}", 404, "UnknownOperationException"),
        ("AmazonSNS.Publish", "application/x-amz-json-1.0", b"{}", 404, "UnknownOperationException"),
        ("AmazonSQS.MakeCoffee", "application/x-amz-json-1.0", b"{}", 400, "UnknownOperationException"),
        ("AmazonSQS.ListQueues", "application/x-amz-json-1.0", b"{", 400, "SerializationException"),
        ("AmazonSQS.ListQueues", "application/x-amz-json-1.0", b"[1]", 400, "SerializationException"),
        ("AmazonSQS.ListQueues", "application/x-amz-json-1.0", b"\xff", 400, "SerializationException"),
        (
            "AmazonSQS.ListQueues",
            "application/x-amz-json-1.0",
            b"{\"MaxResults\":\"x\"}",
            400,
            "SerializationException",
        ),
        (
            "Kinesis_20131202.ListStreams",
            "application/x-amz-cbor-1.1",
            b"\xa0",
            415,
            "SerializationException",
        ),
    ];
    for (target, content_type, body, status, code) in cases {
        let request = Request::post("/")
            .header("x-amz-target", *target)
            .header("content-type", *content_type)
            .body(Body::from(body.to_vec()))
            .unwrap();
        let answer = gateway.ask(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (*status, *code), "{target}");
        assert!(answer.headers.contains_key("x-amzn-requestid"));
    }
}

#[tokio::test]
async fn deep_json_is_refused_and_harmless() {
    let gateway = Gateway::trusting().await;
    let deep = format!("{{\"Attributes\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let request =
        Request::post("/").header("x-amz-target", "AmazonSQS.CreateQueue").body(Body::from(deep)).unwrap();
    assert_eq!(gateway.ask(request).await.code(), "SerializationException");
}

#[tokio::test]
async fn bodies_and_requests_are_bounded() {
    let settings =
        AwsSettings { body_bytes_max: 100, allow_unsigned_on_loopback: true, ..AwsSettings::default() };
    let gateway = Gateway::open(settings, true).await;
    let request = |bytes: usize| {
        let body = format!("{{{}}}", " ".repeat(bytes - 2));
        Request::post("/").header("x-amz-target", "AmazonSQS.ListQueues").body(Body::from(body)).unwrap()
    };
    assert_eq!(gateway.ask(request(100)).await.status, StatusCode::OK);
    let answer = gateway.ask(request(101)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"));

    let settings =
        AwsSettings { requests_max: 0, allow_unsigned_on_loopback: true, ..AwsSettings::default() };
    let answer = Gateway::open(settings, true).await.call("AmazonSQS.ListQueues", &json!({})).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"));

    let settings =
        AwsSettings { long_polls_max: 0, allow_unsigned_on_loopback: true, ..AwsSettings::default() };
    let gateway = Gateway::open(settings, true).await;
    let request = json!({"QueueUrl": "alerts", "WaitTimeSeconds": 20});
    assert_eq!(gateway.call("AmazonSQS.ReceiveMessage", &request).await.code(), "RequestThrottled");
    let request = json!({"QueueUrl": "alerts", "WaitTimeSeconds": 0});
    assert_eq!(gateway.call("AmazonSQS.ReceiveMessage", &request).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up() {
    let gateway = Gateway::trusting().await;
    let never = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = Request::post("/")
        .header("x-amz-target", "AmazonSQS.ListQueues")
        .body(Body::from_stream(never))
        .unwrap();
    assert_eq!(gateway.ask(request).await.status, StatusCode::REQUEST_TIMEOUT);
}
