//! `/healthz`, `/readyz` and `/metrics`.

use crate::gateway::Gateway;
use crate::metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use journal::Health;
use std::sync::Arc;

/// Most of those named who keep the journal full.
const PINS_NAMED_MAX: usize = 3;

/// The three paths.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .with_state(gateway)
}

/// Whether publishes are taken now; if not, why.
async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let reason = if gateway.shutdown.is_cancelled() {
        "shutting down".to_string()
    } else if gateway.state.has_failed() {
        "the state store takes no more changes since a write failed; the gateway ends once the disk has room, and has to be started again"
            .to_string()
    } else if !gateway.state.has_room() {
        "the disk is full: too little is free for the state store, see `journal.disk_free_bytes_min`"
            .to_string()
    } else {
        match gateway.journal.health() {
            Health::Working => return "ready\n".into_response(),
            Health::Full { reason } => format!("no room for the journal: {reason}; {}", pins(&gateway)),
            Health::Failing { reason } => format!("the journal can't be written: {reason}"),
            Health::Closed => "the journal is closed".to_string(),
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

/// Who keeps most of the journal from being trimmed, in words.
fn pins(gateway: &Gateway) -> String {
    let pins = gateway.bus.pins();
    let most = pins.iter().take(PINS_NAMED_MAX).map(|pin| format!("`{}` {} bytes", pin.by, pin.bytes));
    format!("kept from being trimmed by {}", most.collect::<Vec<_>>().join(", "))
}

async fn show_metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    // It asks for locks that others hold over the disk: a slow disk must not keep the runtime's threads from connections.
    match tokio::task::spawn_blocking(move || metrics::render(&gateway)).await {
        Ok(text) => (content_type, text).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response(),
    }
}
