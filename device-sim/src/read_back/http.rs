//! Requests as a rule's HTTP action or a webhook makes them: one delivery in each, or a JSON array of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Books;

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// The largest body that is read; larger ones are refused.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How long a request's head may take.
const HEAD_SECS_MAX: u64 = 30;
/// Pause when no connection can be accepted, because file descriptors ran out.
const ACCEPT_PAUSE_MILLIS: u64 = 50;

/// Headers that carry an event's id, the more specific first.
const EVENT_ID_HEADERS: [&str; 2] = ["ce-id", "idempotency-key"];

/// A server that takes note of every request.
pub(super) struct Receiver {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Listens and serves until it is stopped.
    pub(super) async fn start(listen: SocketAddr, books: Arc<Books>) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, serving: tokio::spawn(serve(listener, books)) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections.
    pub(super) fn stop(&self) {
        self.serving.abort();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: TcpListener, books: Arc<Books>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Those that are open end with the receiver.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let books = Arc::clone(&books);
                connections.spawn(async move {
                    carry(stream, &books).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLIS)).await,
        }
    }
}

async fn carry(stream: TcpStream, books: &Books) {
    let service = service_fn(|request| answer(request, books));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECS_MAX))
        .serve_connection(TokioIo::new(stream), service);
    // A peer that breaks off sends its request again; there is nobody here to tell.
    let _ = connection.await;
}

async fn answer(request: Request<Incoming>, books: &Books) -> hyper::Result<Response<Empty<Bytes>>> {
    let (head, body) = request.into_parts();
    let status = if matches!(head.method, Method::POST | Method::PUT) {
        match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => {
                enter(&body.to_bytes(), event_id(&head.headers), books);
                StatusCode::NO_CONTENT
            }
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    } else {
        StatusCode::METHOD_NOT_ALLOWED
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}

fn event_id(headers: &HeaderMap) -> Option<&str> {
    EVENT_ID_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok())
}

fn enter(body: &[u8], event_id: Option<&str>, books: &Books) {
    let batch: Option<Vec<&RawValue>> =
        body.trim_ascii_start().starts_with(b"[").then(|| serde_json::from_slice(body).ok()).flatten();
    match batch {
        Some(events) => events.iter().for_each(|event| books.receive(event.get().as_bytes(), None)),
        None => books.receive(body, event_id),
    }
}

#[cfg(test)]
mod tests;
