//! A router over queues and streams in a temporary directory, asked as a client would.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use bus::{Bus, BusSettings};
use http_body_util::BodyExt;
use journal::Journal;
use journal::state::StateStore;
use serde_json::Value;
use targets::{queue, stream};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{AwsSettings, aws_protocols};

pub(crate) struct Gateway {
    router: Router,
    pub(crate) bus: Bus,
    _directory: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["__type"].as_str().unwrap_or("no error")
    }
}

impl Gateway {
    /// Queues `alerts` (to `failed` after two receives) and `failed`, stream `telemetry` with two shards.
    pub(crate) async fn open(settings: AwsSettings, listener_is_loopback: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let small = journal::Settings {
            segment_bytes: 4 << 20,
            record_bytes_max: 2 << 20,
            ..journal::Settings::default()
        };
        let journal = Journal::open(directory.path().join("journal"), small).unwrap();
        let store = StateStore::open(directory.path().join("state")).unwrap();
        let bus = Bus::open(journal.clone(), &store, BusSettings::default()).unwrap();
        let redrive = Some(queue::Redrive { dead_letter_queue: "failed".into(), receives_max: 2 });
        let alerts = queue::Attributes { redrive, ..queue::Attributes::default() };
        let declared =
            [("alerts".to_owned(), alerts), ("failed".to_owned(), queue::Attributes::default())].into();
        let queue_settings = queue::Settings { declared, ..queue::Settings::default() };
        let queues = queue::Queues::open(&bus, &journal, &store, queue_settings).await.unwrap();
        let telemetry = stream::Attributes { shards: 2, ..stream::Attributes::default() };
        let declared = [("telemetry".to_owned(), telemetry)].into();
        let stream_settings = stream::Settings { declared, ..stream::Settings::default() };
        let streams = stream::Streams::open(&bus, &journal, &store, stream_settings).await.unwrap();
        let functions = crate::lambda::fixture::functions(&bus).await;
        let router = aws_protocols(queues, streams, functions, settings, listener_is_loopback);
        Self { router, bus, _directory: directory }
    }

    /// One that checks no signature.
    pub(crate) async fn trusting() -> Self {
        let settings = AwsSettings { allow_unsigned_on_loopback: true, ..AwsSettings::default() };
        Self::open(settings, true).await
    }

    pub(crate) async fn ask(&self, mut request: Request<Body>) -> Answer {
        let address = HeaderValue::from_static("127.0.0.1:8080");
        request.headers_mut().entry("host").or_insert(address);
        let asking = self.router.clone().oneshot(request);
        let response = tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap().unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Calls an operation, as `AmazonSQS.ListQueues`, with a JSON request.
    pub(crate) async fn call(&self, target: &str, request: &Value) -> Answer {
        let request = Request::post("/")
            .header("host", "127.0.0.1:8080")
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .body(Body::from(request.to_string()))
            .unwrap();
        self.ask(request).await
    }

    /// Calls an operation that has to succeed.
    pub(crate) async fn done(&self, target: &str, request: Value) -> Value {
        let answer = self.call(target, &request).await;
        assert_eq!(answer.status, StatusCode::OK, "{target} {request}: {}", answer.body);
        answer.body
    }
}
