//! Step 1, where HTTP comes first: a connection that asks for a WebSocket goes on as MQTT, any other publishes by request, as on AWS IoT
//! Core's port 8443.
//!
//! Who asks is looked up anew for every request, so that a certificate that was revoked or deactivated publishes nothing more.

mod answer;
mod origin;
mod publish;
mod request;

use super::rate::Rate;
use super::serve as mqtt_serve;
use crate::connection::{Arrived, Carrier};
use crate::gateway::Gateway;
use crate::metrics::increment;
use access::Certificate;

use answer::{Body, Fault};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use listener::{Accepted, Stream};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The head of a request; AWS IoT's user properties alone may have 8 KiB.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Header fields of a request.
const HEADERS_MAX: usize = 64;
/// Beyond the time that the head of a request may take: how long a connection may go without a new request. A client that does not take
/// its answers is cut by it.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(120);
/// How long the last answer may take at a shutdown, and the end of a connection.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);
/// Where a WebSocket is asked for: AWS IoT's path, and the one that clients ask for when they are told none.
const WEBSOCKET_PATHS: [&str; 2] = ["/mqtt", "/"];
/// `[MQTT-6.0.0-4]`
const SUBPROTOCOL: &str = "mqtt";

type Connection = http1::Connection<TokioIo<Stream>, Service>;

/// Serves one connection until it ends.
pub(super) async fn serve(gateway: Arc<Gateway>, accepted: Accepted, listener: listener::Handle) {
    // Boxed, so that what HTTP needs is gone when MQTT begins.
    if let Some(arrived) = Box::pin(serve_requests(&gateway, accepted, listener)).await {
        mqtt_serve::serve(gateway, arrived).await;
    }
}

/// Answers requests; gives the connection when it became a WebSocket.
async fn serve_requests(
    gateway: &Arc<Gateway>,
    accepted: Accepted,
    listener: listener::Handle,
) -> Option<Arrived> {
    let Accepted { stream, peer, certificates, trust_generation, version, .. } = accepted;
    let certificate = certificates.first().map(|der| Certificate::from_der(der).map(Arc::new));
    let mqtt = &gateway.settings.raw.mqtt;
    let visitor = Arc::new(Visitor {
        gateway: Arc::clone(gateway),
        listener,
        peer,
        certificate,
        certificates: certificates.into(),
        trust_generation,
        rate: Mutex::new(Rate::new(mqtt.publishes_per_sec_max, mqtt.publish_bytes_per_sec_max)),
        requests: AtomicU64::new(0),
        is_websocket: AtomicBool::new(false),
    });
    let head_time_max = Duration::from_secs(gateway.settings.raw.listener.connect_secs_max);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), Service(Arc::clone(&visitor)));
    let connection = run(connection, &visitor, head_time_max + REQUEST_TIME_MAX).await;
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    if !visitor.is_websocket.load(Relaxed) {
        // A peer that does not read must not hold the task.
        let _ = tokio::time::timeout(CLOSE_TIME_MAX, stream.shutdown()).await;
        return None;
    }
    increment(&gateway.counters.websockets);
    let carrier = Carrier::WebSocket(Box::new(websocket::Stream::new(stream, parts.read_buf)));
    let certificates = Arc::clone(&visitor.certificates);
    Some(Arrived { carrier, peer, certificates, trust_generation, is_tls: version.is_some() })
}

/// Until the client is done with HTTP, or we are with it.
async fn run(mut connection: Connection, visitor: &Visitor, stuck_time_max: Duration) -> Connection {
    let mut stuck = pin!(visitor.stuck(stuck_time_max));
    let served = tokio::select! {
        biased;
        served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
        () = visitor.gateway.shutdown.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            let last = poll_fn(|context| connection.poll_without_shutdown(context));
            tokio::time::timeout(CLOSE_TIME_MAX, last).await.unwrap_or(Ok(()))
        }
        () = &mut stuck => Ok(()),
    };
    if let Err(error) = served {
        visitor.is_websocket.store(false, Relaxed);
        tracing::debug!(peer = %visitor.peer, %error, "an HTTP connection broke off");
    }
    connection
}

/// Who asks on one connection.
struct Visitor {
    gateway: Arc<Gateway>,
    listener: listener::Handle,
    peer: SocketAddr,
    /// `None` without TLS.
    certificate: Option<Result<Arc<Certificate>, access::CertificateError>>,
    certificates: Arc<[CertificateDer<'static>]>,
    trust_generation: u64,
    /// How fast it may publish.
    rate: Mutex<Rate>,
    requests: AtomicU64,
    is_websocket: AtomicBool,
}

/// What hyper hands requests to.
struct Service(Arc<Visitor>);

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let visitor = Arc::clone(&self.0);
        Box::pin(async move { Ok(visitor.answer(request).await) })
    }
}

impl Visitor {
    /// Ready when no request has begun for so long.
    async fn stuck(&self, time_max: Duration) {
        let mut seen = None;
        while seen != Some(self.requests.load(Relaxed)) {
            seen = Some(self.requests.load(Relaxed));
            tokio::time::sleep(time_max).await;
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, Relaxed);
        let trace_id = uuid::Uuid::new_v4();
        let response = match self.route(request).await {
            Ok(Answer::Published) => answer::ok(trace_id),
            Ok(Answer::Upgraded(response)) => response.map(|()| Body::default()),
            Err(fault) => {
                self.log(&fault, trace_id);
                fault.response(trace_id, self.gateway.settings.raw.access.reveal_denials)
            }
        };
        self.gateway.counters.http_requests.increment(response.status().as_str());
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Answer, Fault> {
        let path = request.uri().path();
        let origins = &self.gateway.settings.raw.listener.origins;
        origin::check(request.headers(), self.listener.is_tls(), origins)
            .map_err(|origin| Fault::forbidden(&origin))?;
        if WEBSOCKET_PATHS.contains(&path) {
            return self.upgrade(&request).map(Answer::Upgraded);
        }
        if !path.starts_with(request::TOPICS) {
            return Err(Fault::not_found(path));
        }
        if request.method() != Method::POST {
            return Err(Fault::method(request.method()));
        }
        publish::publish(self, request).await.map(|()| Answer::Published)
    }

    fn upgrade(&self, request: &Request<Incoming>) -> Result<Response<()>, Fault> {
        if !websocket::is_asked_for(request.headers()) {
            return Err(Fault::not_found(request.uri().path()));
        }
        let response =
            websocket::accept(request, SUBPROTOCOL).map_err(|refused| Fault::websocket(&refused))?;
        self.is_websocket.store(true, Relaxed);
        Ok(response)
    }

    fn log(&self, fault: &Fault, trace_id: uuid::Uuid) {
        let Some(left_out) = self.gateway.counters.refusal_lines.admit() else { return };
        tracing::warn!(
            peer = %self.peer,
            certificate = self.certificate.as_ref().and_then(|shown| shown.as_ref().ok()).map(|shown| shown.fingerprint.to_string()),
            status = fault.status().as_u16(),
            reason = fault.message(),
            trace_id = %trace_id,
            left_out,
            "HTTP request refused"
        );
    }
}

/// What a request led to.
enum Answer {
    Published,
    Upgraded(Response<()>),
}
