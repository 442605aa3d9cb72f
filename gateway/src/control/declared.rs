//! Things, certificates, users and policies, as they are declared.

use super::{Controlled, Refusal};
use axum::Json;
use axum::extract::State;
use registry::{CertificateRecord, Operation, PolicyRecord, ThingRecord, UserSummary};
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes all of the changes, or none.
pub(super) async fn apply(
    State(controlled): State<Controlled>,
    Json(operations): Json<Vec<Operation>>,
) -> Result<Json<Value>, Refusal> {
    let count = operations.len();
    let registry = Arc::clone(&controlled.gateway.registry);
    tokio::task::spawn_blocking(move || registry.apply(operations))
        .await
        .map_err(Refusal::failed)?
        .map_err(Refusal::bad)?;
    Ok(Json(json!({ "applied": count })))
}

pub(super) async fn things(State(controlled): State<Controlled>) -> Json<Vec<ThingRecord>> {
    Json(controlled.gateway.registry.list_things(None, usize::MAX).items)
}

pub(super) async fn certificates(State(controlled): State<Controlled>) -> Json<Vec<Arc<CertificateRecord>>> {
    Json(controlled.gateway.registry.list_certificates(None, usize::MAX).items)
}

pub(super) async fn users(State(controlled): State<Controlled>) -> Json<Vec<UserSummary>> {
    Json(controlled.gateway.registry.list_users(None, usize::MAX).items)
}

pub(super) async fn policies(State(controlled): State<Controlled>) -> Json<Vec<PolicyRecord>> {
    Json(controlled.gateway.registry.list_policies(None, usize::MAX).items)
}
