//! A small HTTP server that answers as told and remembers what it was sent.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How requests are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Status(u16),
    With {
        status: u16,
        header: (&'static str, &'static str),
        body: Vec<u8>,
    },
    /// The first status for a request with this body, 204 for the others.
    StatusFor(u16, Vec<u8>),
    /// Not at all.
    Never,
    /// By closing the connection.
    Close,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether it was answered with a 2xx.
    pub(super) taken: bool,
}

#[derive(Clone)]
struct Shared {
    answer: Arc<Mutex<Answer>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
}

pub(super) struct Server {
    address: SocketAddr,
    shared: Shared,
    _stop: DropGuard,
}

impl Server {
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            answer: Arc::new(Mutex::new(answer)),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (stop, serving) = (CancellationToken::new(), shared.clone());
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(serve(listener, serving)).await });
        Self { address, shared, _stop: stop.drop_guard() }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/in?token=secret", self.address)
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock() = answer;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.shared.connections.lock()
    }
}

async fn serve(listener: TcpListener, shared: Shared) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        *shared.connections.lock() += 1;
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| respond(request, shared.clone()));
            let http = hyper::server::conn::http1::Builder::new();
            // Closing a connection on purpose is an error here.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(request: Request<Incoming>, shared: Shared) -> Result<Response<Full<Bytes>>, &'static str> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "the request broke off")?.to_bytes();
    let answer = shared.answer.lock().clone();
    let (status, header, answer_body) = match answer.clone() {
        Answer::Status(status) => (Some(status), None, Vec::new()),
        Answer::With { status, header, body } => (Some(status), Some(header), body),
        Answer::StatusFor(status, wanted) if wanted == body => (Some(status), None, Vec::new()),
        Answer::StatusFor(..) => (Some(204), None, Vec::new()),
        Answer::Never | Answer::Close => (None, None, Vec::new()),
    };
    let taken = status.is_some_and(|status| status / 100 == 2);
    let path = parts.uri.to_string();
    shared.seen.lock().push(Seen { path, headers: parts.headers, body, taken });
    if answer == Answer::Close {
        return Err("closed on purpose");
    }
    let Some(status) = status else { return std::future::pending().await };
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(answer_body)).unwrap())
}
