use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Body;
use axum::http;
use proptest::prelude::*;

use super::*;

/// 2015-08-30T12:36:00Z, the time of AWS's published vectors.
const SIGNED_AT_SECS: i64 = 1_440_938_160;
const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn verifier() -> Verifier {
    Verifier::new([AccessKey { id: KEY_ID.into(), secret: SECRET.into() }], vec!["us-east-1".into()])
}

/// A request signed by AWS's own library.
fn signed(path: &str, headers: &[(&str, &str)], body: &str) -> http::Request<String> {
    let mut builder =
        http::Request::post(format!("http://127.0.0.1:8080{path}")).header("host", "127.0.0.1:8080");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let mut request = builder.body(body.to_owned()).unwrap();
    let identity = aws_sigv4_credentials();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sqs")
        .time(UNIX_EPOCH + Duration::from_secs(SIGNED_AT_SECS.unsigned_abs()))
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let uri = request.uri().to_string();
    let pairs: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let signable = SignableRequest::new(
        "POST",
        uri,
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(body.as_bytes()),
    )
    .unwrap();
    let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

fn aws_sigv4_credentials() -> aws_smithy_runtime_api::client::identity::Identity {
    aws_credential_types::Credentials::new(KEY_ID, SECRET, None, None, "test").into()
}

fn check_at(request: &http::Request<String>, now_secs: i64) -> Result<Caller, Refusal> {
    let parts = Request {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        body: request.body().as_bytes(),
    };
    verifier().verify(parts, "sqs", now_secs)
}

fn check(request: &http::Request<String>) -> Result<Caller, Refusal> {
    check_at(request, SIGNED_AT_SECS)
}

#[test]
fn what_the_aws_library_signs_is_believed() {
    let cases = [
        ("/", vec![], ""),
        ("/", vec![("x-amz-target", "AmazonSQS.ListQueues")], "{}"),
        ("/000000000000/alerts", vec![("content-type", "application/x-amz-json-1.0")], "{\"a\":1}"),
        ("/a%20b/./c/../d/", vec![("x-spaced", "  one   two  ")], "x"),
        ("/?b=2&a=1&a=0&empty=&lone&text=%C3%A4%20b%2Fc", vec![], "x"),
    ];
    for (path, headers, body) in cases {
        let request = signed(path, &headers, body);
        assert_eq!(check(&request), Ok(Caller::Key(KEY_ID.into())), "{path}");
    }
}

#[test]
fn a_request_changed_after_signing_is_refused() {
    let original = || signed("/?a=1", &[("x-amz-target", "AmazonSQS.ListQueues")], "{}");
    let mismatch = Err(Refusal::Mismatch { key_id: KEY_ID.into() });

    let mut request = original();
    request.body_mut().push(' ');
    assert_eq!(check(&request), mismatch, "body");

    let mut request = original();
    *request.uri_mut() = "/?a=2".parse().unwrap();
    assert_eq!(check(&request), mismatch, "query");

    let mut request = original();
    request.headers_mut().insert("x-amz-target", "AmazonSQS.DeleteQueue".parse().unwrap());
    assert_eq!(check(&request), mismatch, "target");

    let mut request = original();
    *request.method_mut() = http::Method::PUT;
    assert_eq!(check(&request), mismatch, "method");

    let mut request = original();
    request.headers_mut().insert("x-amz-extra", "1".parse().unwrap());
    assert_eq!(check(&request).unwrap_err().code(), "IncompleteSignature", "unsigned amz header");
}

#[test]
fn the_signing_time_may_be_a_quarter_of_an_hour_away() {
    let request = signed("/", &[], "{}");
    for (away, believed) in [(900, true), (-900, true), (901, false), (-901, false)] {
        let outcome = check_at(&request, SIGNED_AT_SECS + away);
        match believed {
            true => assert!(outcome.is_ok(), "{away}"),
            false => assert_eq!(outcome.unwrap_err().code(), "RequestExpired", "{away}"),
        }
    }
}

#[test]
fn each_defect_has_its_name() {
    let good = signed("/", &[], "{}");
    let header = good.headers()["authorization"].to_str().unwrap().to_owned();
    let cases: &[(Option<String>, &str)] = &[
        (None, "MissingAuthenticationToken"),
        (Some("Basic dXNlcjpwYXNz".into()), "IncompleteSignature"),
        (Some("AWS4-HMAC-SHA256".into()), "IncompleteSignature"),
        (
            Some("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=00".into()),
            "IncompleteSignature",
        ),
        (Some(header.replace("Signature=", "Signature=zz")), "IncompleteSignature"),
        (Some(header.replace("/us-east-1/", "/eu-west-1/")), "IncompleteSignature"),
        (Some(header.replace("/sqs/", "/kinesis/")), "IncompleteSignature"),
        (Some(header.replace("/20150830/", "/20150831/")), "IncompleteSignature"),
        (Some(header.replace("host;", "")), "IncompleteSignature"),
        (Some(header.replace(KEY_ID, "AKIDOTHER")), "InvalidClientTokenId"),
    ];
    for (value, code) in cases {
        let mut request = signed("/", &[], "{}");
        request.headers_mut().remove("authorization");
        if let Some(value) = value {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        assert_eq!(check(&request).unwrap_err().code(), *code, "{value:?}");
    }
}

#[test]
fn an_unsigned_body_is_refused() {
    let mut request = signed("/", &[], "{}");
    request.headers_mut().insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    let header = request.headers()["authorization"].to_str().unwrap().to_owned();
    let covering = header.replace("host;x-amz-date", "host;x-amz-content-sha256;x-amz-date");
    request.headers_mut().insert("authorization", covering.parse().unwrap());
    let refusal = check(&request).unwrap_err();
    assert!(refusal.to_string().contains("UNSIGNED-PAYLOAD"), "{refusal}");
}

/// The example of AWS's documentation ("get-vanilla"): the signature is recomputed by this crate, not by a library.
#[test]
fn the_published_vector_is_reproduced() {
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let request = http::Request::get("/")
        .header("host", "example.amazonaws.com")
        .header("x-amz-date", "20150830T123600Z")
        .header("authorization", authorization)
        .body(Body::empty())
        .unwrap();
    let parts =
        Request { method: request.method(), uri: request.uri(), headers: request.headers(), body: b"" };
    let verified = verifier().verify(parts, "service", SIGNED_AT_SECS);
    assert_eq!(verified, Ok(Caller::Key(KEY_ID.into())));
}

proptest! {
    #[test]
    fn no_header_panics(header in "AWS4-HMAC-SHA256[ -~]{0,200}", date in "[ -~]{0,20}") {
        let request = http::Request::post("/")
            .header("host", "a")
            .header("x-amz-date", date)
            .header("authorization", header)
            .body(String::new())
            .unwrap();
        prop_assert!(check(&request).is_err());
    }
}
