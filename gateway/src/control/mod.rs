//! The control socket: what the command line asks of a running gateway. A Unix socket in the data directory with mode 0600, so whoever may
//! read the data may use it, and nobody else; nothing of this is served on the network.

mod archives;
mod dead_letters;
mod declared;
mod functions;
mod lines;
mod queues;
mod rules;

use crate::flow::deliver::Targets;
use crate::gateway::Gateway;
use crate::trial;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixListener;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Controlled {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) targets: Arc<Targets>,
}

/// Every path of the control socket.
fn router(controlled: Controlled) -> Router {
    Router::new()
        .route("/ledger", get(ledger))
        .route("/rules", get(rules::list))
        .route("/rules/{name}", get(rules::show))
        .route("/rules/{name}/trace", get(rules::trace))
        .route("/subscriptions", get(rules::subscriptions))
        .route("/registry", post(declared::apply))
        .route("/things", get(declared::things))
        .route("/certificates", get(declared::certificates))
        .route("/users", get(declared::users))
        .route("/policies", get(declared::policies))
        .route("/queues", get(queues::list))
        .route("/functions", get(functions::list))
        .route("/functions/{name}/invoke", post(functions::invoke))
        .route("/functions/{name}/logs", get(functions::logs))
        .route("/dead-letters", get(dead_letters::list).delete(dead_letters::purge))
        .route("/dead-letters/counts", get(dead_letters::counts))
        .route("/dead-letters/export", get(dead_letters::export))
        .route("/dead-letters/redrive", post(dead_letters::redrive))
        .route("/dead-letters/{id}", get(dead_letters::show))
        .route("/dead-letters/{id}", delete(dead_letters::purge_one))
        .route("/dead-letters/{id}/redrive", post(dead_letters::redrive_one))
        .route("/archives", get(archives::list))
        .route("/archives/{name}", get(archives::show))
        .route("/replays", get(archives::list_replays).post(archives::start_replay))
        .route("/replays/{name}", get(archives::show_replay).delete(archives::cancel_replay))
        .merge(trial::of_owner(Arc::clone(&controlled.gateway)))
        .with_state(controlled)
}

/// Serves the socket until the gateway shuts down.
///
/// # Errors
/// When the socket can't be made.
pub(crate) async fn serve(path: &Path, controlled: Controlled) -> std::io::Result<()> {
    // The state store is locked by this process, so a socket that is there is left from one that is gone.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The socket is its owner's from the moment it exists.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound?;
    let shutdown = controlled.gateway.ended.clone();
    axum::serve(listener, router(controlled)).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// How the ledger is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LedgerWanted {
    /// What waits is counted again from the journal.
    audit: bool,
}

async fn ledger(
    State(controlled): State<Controlled>,
    Query(wanted): Query<LedgerWanted>,
) -> Json<serde_json::Value> {
    let bus = &controlled.gateway.bus;
    let rows = bus.ledger();
    let balanced = rows.iter().all(|row| row.counts.balance());
    let mut ledger = json!({ "rows": rows, "balanced": balanced });
    if wanted.audit {
        let disagreements: Vec<serde_json::Value> = bus
            .audit()
            .await
            .into_iter()
            .map(|found| {
                json!({ "rule": found.rule, "target": found.target.to_string(), "booked": found.booked, "found": found.found })
            })
            .collect();
        ledger["disagreements"] = disagreements.into();
    }
    Json(ledger)
}

/// A refusal: a status and a sentence.
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(error: impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }

    fn missing(what: impl std::fmt::Display) -> Self {
        Self(StatusCode::NOT_FOUND, what.to_string())
    }

    fn failed(error: impl std::fmt::Display) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "message": self.1 }))).into_response()
    }
}
