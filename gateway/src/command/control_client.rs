//! Talks to the running gateway over its control socket: a Unix socket in the data directory that only its owner can open.

use crate::settings::Settings;
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

/// An answer larger than this is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where the socket of the gateway with these settings is.
pub(crate) fn socket_path(data_directory: &Path) -> PathBuf {
    data_directory.join("control.sock")
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Control {
    socket: PathBuf,
}

impl Control {
    /// The gateway that runs with these settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { socket: socket_path(&settings.raw.data_directory) }
    }

    /// Whether a gateway listens on the socket.
    pub(crate) fn is_running(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.socket).is_ok()
    }

    /// Asks and reads the answer.
    ///
    /// # Errors
    /// When no gateway runs, or it refuses; the message is the gateway's own.
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.ask_async(method, path, body))
    }

    /// The same within a runtime.
    pub(crate) async fn ask_async<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> anyhow::Result<T> {
        let bytes = self.exchange(method, path, body).await?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("the gateway's answer to {path} can't be read"))
    }

    /// Asks with GET.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::GET, path, None)
    }

    /// Asks with GET for an answer that comes bit by bit, and hands each bit on until `take` wants no more.
    ///
    /// # Errors
    /// When no gateway runs, it refuses, or the answer breaks off.
    pub(crate) fn follow(
        &self,
        path: &str,
        accept: &str,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let answer = self.send(Method::GET, path, accept, Bytes::new()).await?;
            let mut body = answer.response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the gateway's answer broke off")?;
                if frame.data_ref().is_some_and(|data| !take(data)) {
                    break;
                }
            }
            anyhow::Ok(())
        })
    }

    /// Sends `body` and reads an answer of lines of JSON as they come.
    ///
    /// # Errors
    /// When no gateway runs, it refuses, the answer breaks off, or `take` fails.
    pub(crate) fn read_lines(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
            let answer = self.send(method, path, "application/x-ndjson", body).await?;
            let mut body = answer.response.into_body();
            let mut begun = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the gateway's answer broke off")?;
                for piece in
                    frame.data_ref().into_iter().flat_map(|data| data.split_inclusive(|byte| *byte == b'\n'))
                {
                    begun.extend_from_slice(piece);
                    anyhow::ensure!(
                        begun.len() <= ANSWER_BYTES_MAX,
                        "a line of the gateway's answer is too long"
                    );
                    if begun.ends_with(b"\n") {
                        take(&begun)?;
                        begun.clear();
                    }
                }
            }
            anyhow::Ok(())
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> anyhow::Result<Bytes> {
        let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
        let answer = self.send(method, path, "application/json", body).await?;
        read_whole(answer.response.into_body()).await
    }

    /// Sends a request. Gives the answer, once it has begun well.
    async fn send(&self, method: Method, path: &str, accept: &str, body: Bytes) -> anyhow::Result<Answer> {
        let stream = UnixStream::connect(&self.socket).await.with_context(|| {
            format!(
                "no gateway answers on {}; start it with `iot-gateway serve`, or name its settings with --config",
                self.socket.display()
            )
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control")
            .header("accept", accept)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Answer { response, _sender: sender, _connection: connection });
        }
        bail!("{}", refusal(&read_whole(response.into_body()).await?, status));
    }
}

/// An answer that has begun, and what it comes over.
struct Answer {
    response: Response<Incoming>,
    _sender: SendRequest<Full<Bytes>>,
    _connection: AbortOnDropHandle<hyper::Result<()>>,
}

async fn read_whole(body: Incoming) -> anyhow::Result<Bytes> {
    let whole = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    Ok(whole.map_err(|error| anyhow::anyhow!("the gateway's answer broke off: {error}"))?.to_bytes())
}

/// The message of an answer that is not a success.
fn refusal(body: &[u8], status: hyper::StatusCode) -> String {
    serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("message").and_then(|message| message.as_str().map(str::to_string)))
        .unwrap_or_else(|| format!("the gateway answered {status}"))
}
