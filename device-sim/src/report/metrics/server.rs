//! A small HTTP server: it answers `/metrics` and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::exposition;
use crate::error::Error;
use crate::truth::Tally;

/// Who may ask at the same time; more wait.
const CONNECTIONS_MAX: usize = 16;
/// How long somebody may take to say what is wanted, and how long a connection may last.
const HEADERS: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_secs(60);
/// Pause after a failed accept, when the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// The server. It ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    /// Listens, and answers with how the tally stands.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(crate) async fn start(address: &str, tally: Arc<Tally>) -> Result<Self, Error> {
        let set_up = |source| Error::Listen { option: "--prometheus", value: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(set_up)?;
        let address = listener.local_addr().map_err(set_up)?;
        Ok(Self { address, serving: tokio::spawn(serve(listener, tally)) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, tally: Arc<Tally>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let tally = Arc::clone(&tally);
                connections.spawn(async move {
                    let _ = tokio::time::timeout(CONNECTION, converse(stream, &tally)).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Serves one connection. What its peer does wrong ends it and concerns nobody else.
async fn converse(stream: TcpStream, tally: &Tally) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, tally)) });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(request: &Request<Incoming>, tally: &Tally) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, exposition::text(&tally.snapshot())),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_are_answered_and_nothing_else() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tally = Arc::new(Tally::new(1));
        tally.shard(0).open().sent = 7;
        tally.sample(Duration::from_secs(1));
        let server = Server::start("127.0.0.1:0", tally).await.unwrap();
        let address = server.address();
        let client = reqwest::Client::new();
        let ask = |method, path| client.request(method, format!("http://{address}{path}")).send();
        let found = ask(reqwest::Method::GET, "/metrics").await.unwrap();
        assert_eq!(found.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        assert!(found.text().await.unwrap().contains("\ndevice_sim_messages_sent_total 7\n"));
        assert_eq!(ask(reqwest::Method::GET, "/").await.unwrap().status(), 404);
        assert_eq!(ask(reqwest::Method::POST, "/metrics").await.unwrap().status(), 405);
        let taken = Server::start(&address.to_string(), Arc::new(Tally::new(1))).await.err().unwrap();
        assert!(
            taken.to_string().starts_with(&format!("cannot listen on `--prometheus {address}`")),
            "{taken}"
        );
    }
}
