//! An answer that is written line by line while it is made; whoever reads slowly slows the making.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Lines that wait for the reader's socket.
const LINES_MAX: usize = 4;

/// Why an answer ends before it is whole: the connection is cut, so that the reader takes no part for the whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BrokenOff(String);

/// Where the lines are written to.
pub(super) struct Writer(mpsc::Sender<Result<Bytes, BrokenOff>>);

impl Writer {
    /// Writes a line of JSON, when the reader is ready for it. False when the reader is gone.
    pub(super) async fn write(&self, line: &Value) -> bool {
        self.0.send(Ok(rendered(line))).await.is_ok()
    }

    /// Writes a line that may be left out when the reader is not ready.
    pub(super) fn write_if_ready(&self, line: &Value) {
        // A line that is left out is followed by one that says more.
        let _ = self.0.try_send(Ok(rendered(line)));
    }

    /// Ends the answer as one that is not whole.
    pub(super) async fn break_off(&self, why: impl std::fmt::Display) {
        // Without a reader there is nobody to be told.
        let _ = self.0.send(Err(BrokenOff(why.to_string()))).await;
    }

    /// Waits until the reader is gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

fn rendered(line: &Value) -> Bytes {
    Bytes::from(format!("{line}\n"))
}

/// An answer, and what writes it.
pub(super) fn answer() -> (Writer, Response) {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    let mut response = Response::new(Body::new(Lines(lines)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    (Writer(sender), response)
}

struct Lines(mpsc::Receiver<Result<Bytes, BrokenOff>>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| line.map(Frame::data)))
    }
}
