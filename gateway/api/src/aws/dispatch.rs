//! The way of every request: read within limits, believed or refused, answered within a time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::{Aws, Call, Fault, Operation};
use crate::signature::{self, Caller};
use crate::{kinesis, sqs};

/// One of the protocols spoken here.
struct Protocol {
    /// What `X-Amz-Target` begins with.
    target: &'static str,
    /// The service that a signature is scoped to.
    service: &'static str,
    content_type: &'static str,
    operations: &'static [Operation],
}

/// Every protocol spoken here.
const PROTOCOLS: &[Protocol] = &[
    Protocol {
        target: "AmazonSQS",
        service: "sqs",
        content_type: "application/x-amz-json-1.0",
        operations: sqs::OPERATIONS,
    },
    Protocol {
        target: "Kinesis_20131202",
        service: "kinesis",
        content_type: "application/x-amz-json-1.1",
        operations: kinesis::OPERATIONS,
    },
];

/// Answers one request.
pub(super) async fn serve(State(aws): State<Arc<Aws>>, request: Request) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut content_type = "application/x-amz-json-1.0";
    let outcome = match protocol_of(target) {
        Some((protocol, name)) => {
            content_type = protocol.content_type;
            answer(&aws, protocol, name, &parts, body).await
        }
        None => Err(Fault {
            status: StatusCode::NOT_FOUND,
            ..Fault::sender(
                "UnknownOperationException",
                "send the header `X-Amz-Target`, as `AmazonSQS.ReceiveMessage`; the query protocol of older SDKs is \
                 not spoken here",
            )
        }),
    };
    let mut response = match outcome {
        Ok(body) => body.into_response(),
        Err(fault) => {
            log(target, &fault, &request_id);
            fault.into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    response
}

fn protocol_of(target: &str) -> Option<(&'static Protocol, &str)> {
    let (prefix, name) = target.split_once('.')?;
    PROTOCOLS.iter().find(|protocol| protocol.target == prefix).map(|protocol| (protocol, name))
}

pub(crate) fn log(target: &str, fault: &Fault, request_id: &str) {
    let (code, message) = (fault.code, &fault.message);
    if fault.status.is_server_error() {
        tracing::error!(target_operation = target, code, message, request_id, "request failed");
    } else {
        tracing::debug!(target_operation = target, code, message, request_id, "request refused");
    }
}

async fn answer(
    aws: &Arc<Aws>,
    protocol: &Protocol,
    name: &str,
    parts: &Parts,
    body: Body,
) -> Result<Vec<u8>, Fault> {
    refuse_cbor(&parts.headers)?;
    let Admitted { body, caller, places: _places } = admit(aws, protocol.service, parts, body).await?;
    let operation = protocol.operations.iter().find(|operation| operation.name == name).ok_or_else(|| {
        Fault::sender("UnknownOperationException", format!("there is no operation `{name}` here"))
    })?;
    let call = Call { aws: Arc::clone(aws), caller, base_url: base_url(aws, parts) };
    let time_max = Duration::from_secs(aws.settings.request_secs_max);
    timeout(time_max, (operation.run)(call, body))
        .await
        .unwrap_or_else(|_| Err(Fault::unavailable("the operation took too long; try again later")))
}

/// A request within limits, read and believed.
pub(crate) struct Admitted<'a> {
    pub(crate) body: Bytes,
    pub(crate) caller: Caller,
    pub(crate) places: Places<'a>,
}

/// The places of a request among those that are worked on, and of its body in memory.
pub(crate) struct Places<'a> {
    _request: SemaphorePermit<'a>,
    _body: SemaphorePermit<'a>,
}

/// Reads a request within limits, and believes it or not.
pub(crate) async fn admit<'a>(
    aws: &'a Aws,
    service: &str,
    parts: &Parts,
    body: Body,
) -> Result<Admitted<'a>, Fault> {
    let request = aws.requests.try_acquire().map_err(|_| {
        Fault::unavailable("the gateway is working on as many requests as it may; try again later")
    })?;
    let bytes_max = aws.settings.body_bytes_max;
    let kib = u32::try_from(announced_bytes(&parts.headers).unwrap_or(bytes_max).min(bytes_max) / 1024)
        .unwrap_or(u32::MAX);
    let memory = aws.bodies_kib.try_acquire_many(kib).map_err(|_| {
        Fault::unavailable("the gateway holds as many request bodies as it may; try again later")
    })?;
    let body = read(aws, body).await?;
    let caller = believe(aws, service, parts, &body)?;
    Ok(Admitted { body, caller, places: Places { _request: request, _body: memory } })
}

fn refuse_cbor(headers: &HeaderMap) -> Result<(), Fault> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|content_type| content_type.contains("cbor")) {
        return Err(Fault {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ..Fault::sender(
                "SerializationException",
                "CBOR is not spoken here, JSON is; set `AWS_CBOR_DISABLE=true`, or `aws.cborEnabled=false` in Java",
            )
        });
    }
    Ok(())
}

fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(aws: &Aws, body: Body) -> Result<Bytes, Fault> {
    let bytes_max = aws.settings.body_bytes_max;
    let collecting = Limited::new(body, bytes_max).collect();
    let collected =
        timeout(Duration::from_secs(aws.settings.body_secs_max), collecting).await.map_err(|_| Fault {
            status: StatusCode::REQUEST_TIMEOUT,
            ..unread("the body took too long to arrive")
        })?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "RequestEntityTooLarge",
            ..unread(format!("the body is larger than {bytes_max} bytes"))
        }),
        Err(error) => Err(unread(format!("the body did not arrive: {error}"))),
    }
}

fn unread(message: impl Into<String>) -> Fault {
    Fault::sender("RequestTimeout", message)
}

fn believe(aws: &Aws, service: &str, parts: &Parts, body: &[u8]) -> Result<Caller, Fault> {
    if aws.settings.allow_unsigned_on_loopback {
        let host = host(parts).unwrap_or_default();
        let stranger = crate::stranger(host, &parts.headers, aws.settings.public_url.as_deref());
        return stranger.map_or(Ok(Caller::Anonymous), |reason| {
            tracing::warn!(reason, "request of a stranger where no signature is asked for");
            Err(Fault { status: StatusCode::FORBIDDEN, ..Fault::sender("AccessDeniedException", reason) })
        });
    }
    let request =
        signature::Request { method: &parts.method, uri: &parts.uri, headers: &parts.headers, body };
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now_secs = i64::try_from(now_secs).unwrap_or(i64::MAX);
    aws.verifier.verify(request, service, now_secs).map_err(|refusal| {
        // Who is refused should be seen without raising the level of the log.
        tracing::warn!(code = refusal.code(), reason = %refusal, "request with a bad signature");
        refusal.into()
    })
}

fn base_url(aws: &Aws, parts: &Parts) -> String {
    if let Some(url) = &aws.settings.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    format!("http://{}", host(parts).unwrap_or("127.0.0.1"))
}

/// The host that was asked; HTTP/2 says it in the place of a URL.
fn host(parts: &Parts) -> Option<&str> {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
}
