//! Archives, and replays of them.

use super::{Controlled, Refusal};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bus::{TargetName, rfc3339};
use serde::Deserialize;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::sync::Arc;
use targets::archive::replay::{Definition, ReplayError, State as ReplayState, Status};
use targets::archive::{Archive, ArchiveError};

/// What is asked for with a replay.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    archive: String,
    name: Option<String>,
    from_ms: u64,
    to_ms: Option<u64>,
    #[serde(default)]
    rules: Vec<String>,
    targets: Vec<String>,
    per_second: Option<NonZeroU32>,
}

pub(super) async fn list(State(controlled): State<Controlled>) -> Result<Json<Value>, Refusal> {
    let archives: Vec<Arc<Archive>> = controlled.targets.archives.iter().cloned().collect();
    let mut told = Vec::with_capacity(archives.len());
    for archive in archives {
        told.push(tell(&controlled, archive).await?);
    }
    Ok(Json(told.into()))
}

pub(super) async fn show(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let archive = controlled.targets.archives.get(&name);
    let archive = archive.ok_or_else(|| Refusal::missing(format!("there is no archive `{name}`")))?;
    Ok(Json(tell(&controlled, archive).await?))
}

async fn tell(controlled: &Controlled, archive: Arc<Archive>) -> Result<Value, Refusal> {
    let counts = archive.counts();
    let name = archive.name().to_owned();
    let figures = tokio::task::spawn_blocking(move || archive.figures()).await.map_err(Refusal::failed)?;
    let figures = figures.map_err(|error: ArchiveError| Refusal::failed(error))?;
    let declared = controlled.gateway.settings.raw.archive.iter().find(|declared| declared.name == name);
    let waiting: u64 = controlled
        .gateway
        .bus
        .ledger()
        .iter()
        .filter(|row| row.target.strip_prefix("archive/") == Some(name.as_str()))
        .map(|row| row.counts.waiting)
        .sum();
    Ok(json!({
        "name": name,
        "events": figures.events,
        "diskBytes": counts.bytes,
        "oldestAt": figures.oldest_ms.map(rfc3339),
        "newestAt": figures.newest_ms.map(rfc3339),
        "waiting": waiting,
        "rules": declared.map(|declared| &declared.rules),
        "retentionDays": declared.map(|declared| declared.retention_days),
        "diskBytesMax": declared.map(|declared| declared.disk_bytes_max),
        "archivedSinceStart": counts.archived,
        "repeatedSinceStart": counts.repeated,
        "givenUpSegmentsSinceStart": counts.given_up_segments,
    }))
}

pub(super) async fn start_replay(
    State(controlled): State<Controlled>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let now_ms = controlled.gateway.now_ms();
    let targets = wanted.targets.iter().map(|target| TargetName::parse(target));
    let definition = Definition {
        name: wanted.name.unwrap_or_else(|| default_name(&wanted.archive, now_ms)),
        archive: wanted.archive,
        from_ms: wanted.from_ms,
        to_ms: wanted.to_ms.unwrap_or(now_ms),
        rules: wanted.rules,
        targets: targets.collect::<Result<_, _>>().map_err(Refusal::bad)?,
        per_second_max: wanted.per_second.map(NonZeroU32::get),
    };
    let status = controlled.targets.replays.start(definition).await.map_err(|error| refusal(&error))?;
    Ok(Json(render(&status)))
}

/// The archive and the second, without what a name can't hold.
fn default_name(archive: &str, now_ms: u64) -> String {
    let second: String =
        rfc3339(now_ms).chars().take(19).filter(|character| !"-:".contains(*character)).collect();
    let archive: String = archive.chars().take(48).collect();
    format!("{archive}-{second}")
}

pub(super) async fn list_replays(State(controlled): State<Controlled>) -> Json<Value> {
    Json(controlled.targets.replays.list().iter().map(render).collect())
}

pub(super) async fn show_replay(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(render(&controlled.targets.replays.show(&name).map_err(|error| refusal(&error))?)))
}

pub(super) async fn cancel_replay(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(render(&controlled.targets.replays.cancel(&name).await.map_err(|error| refusal(&error))?)))
}

fn refusal(error: &ReplayError) -> Refusal {
    let status = match error {
        ReplayError::UnknownArchive { .. } | ReplayError::Unknown(_) => StatusCode::NOT_FOUND,
        ReplayError::Refused(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal(status, error.to_string())
}

fn render(status: &Status) -> Value {
    let Status { definition, state, progress, started_ms, ended_ms } = status;
    let reason = match state {
        ReplayState::Failed(reason) => Some(reason),
        _ => None,
    };
    json!({
        "name": definition.name,
        "archive": definition.archive,
        "state": state.name(),
        "reason": reason,
        "from": rfc3339(definition.from_ms),
        "to": rfc3339(definition.to_ms),
        "rules": definition.rules,
        "targets": definition.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "perSecond": definition.per_second_max,
        "sent": progress.sent,
        "lookedAt": progress.looked_at,
        "inAll": progress.in_all,
        "skipped": progress.is_behind_retention,
        "startedAt": rfc3339(*started_ms),
        "endedAt": ended_ms.map(rfc3339),
    })
}
