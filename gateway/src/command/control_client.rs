//! Talks to the running gateway over its control socket: a Unix socket in the data directory that only its owner can open.

use crate::settings::Settings;
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

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

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> anyhow::Result<Bytes> {
        let stream = UnixStream::connect(&self.socket).await.with_context(|| {
            format!(
                "no gateway answers on {}; start it with `iot-gateway serve`, or name its settings with --config",
                self.socket.display()
            )
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("the gateway's answer broke off: {error}"))?
            .to_bytes();
        drop(sender);
        connection.abort();
        if !status.is_success() {
            bail!("{}", refusal(&bytes, status));
        }
        Ok(bytes)
    }
}

/// The message of an answer that is not a success.
fn refusal(body: &[u8], status: hyper::StatusCode) -> String {
    serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("message").and_then(|message| message.as_str().map(str::to_string)))
        .unwrap_or_else(|| format!("the gateway answered {status}"))
}
