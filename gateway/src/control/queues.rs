//! The embedded queues.

use super::Controlled;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(super) async fn list(State(controlled): State<Controlled>) -> Json<Vec<Value>> {
    let rows = controlled.targets.queues.list("").into_iter().map(|queue| {
        let held = queue.held();
        json!({
            "name": queue.name(),
            "visible": held.ready,
            "inFlight": held.in_flight,
            "delayed": held.delayed,
        })
    });
    Json(rows.collect())
}
