//! Events that a target refused for good.

use super::lines::{self, Writer};
use super::{Controlled, Refusal};
use crate::arns;
use crate::gateway::Gateway;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::{DeadLetter, DeadLetterFilter, DeadLetterId, Redrive, TargetName};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Letters in one page.
const PAGE_MAX: usize = 1000;
/// How often whoever waits for a redrive is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Which letters.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Wanted {
    target: Option<String>,
    rule: Option<String>,
    error_code: Option<String>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    topic: Option<String>,
    key: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    per_second: Option<NonZeroU32>,
    count: Option<u64>,
}

impl Wanted {
    fn filter(&self) -> Result<DeadLetterFilter, Refusal> {
        let target = self.target.as_deref().map(TargetName::parse).transpose().map_err(Refusal::bad)?;
        Ok(DeadLetterFilter {
            target,
            rule: self.rule.clone(),
            error_code: self.error_code.clone(),
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            topic: self.topic.clone(),
            key: self.key.clone(),
        })
    }
}

fn parse(id: &str) -> Result<DeadLetterId, Refusal> {
    id.parse().map_err(Refusal::bad)
}

pub(super) async fn list(
    State(controlled): State<Controlled>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let gateway = &controlled.gateway;
    let after = wanted.after.as_deref().map(parse).transpose()?;
    let limit = wanted.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let page = gateway.bus.dead_letters(wanted.filter()?, after, limit).await.map_err(Refusal::failed)?;
    let letters: Vec<Value> = page.letters.iter().map(|letter| render(gateway, letter, false)).collect();
    let damaged: Vec<Value> = page.damaged.iter().map(render_damaged).collect();
    Ok(Json(
        json!({ "deadLetters": letters, "damaged": damaged, "next": page.next.map(|id| id.to_string()) }),
    ))
}

/// How many there are and were, by target.
pub(super) async fn counts(State(controlled): State<Controlled>) -> Json<Value> {
    let counts = controlled.gateway.bus.dead_letter_counts();
    let row = |(target, counts): (TargetName, bus::DeadLetterCounts)| {
        json!({
            "target": target.to_string(),
            "held": counts.held,
            "heldBytes": counts.held_bytes,
            "written": counts.written,
            "redriven": counts.redriven,
            "purged": counts.purged,
            "evicted": counts.evicted,
        })
    };
    Json(counts.into_iter().map(row).collect())
}

pub(super) async fn show(
    State(controlled): State<Controlled>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let letter = controlled.gateway.bus.dead_letter(parse(&id)?).await.map_err(Refusal::failed)?;
    let letter = letter.ok_or_else(|| Refusal::missing(format!("there is no dead letter `{id}`")))?;
    Ok(Json(render(&controlled.gateway, &letter, true)))
}

/// Every letter that matches, whole, a line each; as many as there are.
pub(super) async fn export(
    State(controlled): State<Controlled>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refusal> {
    let filter = wanted.filter()?;
    let (writer, response) = lines::answer();
    let gateway = Arc::clone(&controlled.gateway);
    gateway.connection_tasks.clone().spawn(async move {
        tokio::select! {
            () = writer.closed() => {}
            () = gateway.shutdown.cancelled() => writer.break_off("the gateway is shutting down").await,
            outcome = write_all(&gateway, filter, &writer) => if let Err(error) = outcome {
                writer.break_off(error).await;
            },
        }
    });
    Ok(response)
}

async fn write_all(
    gateway: &Gateway,
    filter: DeadLetterFilter,
    writer: &Writer,
) -> Result<(), bus::RedriveError> {
    let mut after = None;
    loop {
        let page = gateway.bus.dead_letters(filter.clone(), after, PAGE_MAX).await?;
        for letter in &page.letters {
            if !writer.write(&render(gateway, letter, true)).await {
                return Ok(());
            }
        }
        for error in &page.damaged {
            if !writer.write(&render_damaged(error)).await {
                return Ok(());
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Sends letters again while somebody waits for it; the answer tells how far it is, a line each time, and the last line how it ended.
pub(super) async fn redrive(
    State(controlled): State<Controlled>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Refusal> {
    let redrive =
        Redrive { filter: wanted.filter()?, per_second_max: wanted.per_second, letters_max: wanted.count };
    let (writer, response) = lines::answer();
    let gateway = Arc::clone(&controlled.gateway);
    gateway.connection_tasks.clone().spawn(async move {
        let (mut sent, mut told_at) = (0, Instant::now());
        let progress = |redriven| {
            sent = redriven;
            if told_at.elapsed() >= PROGRESS_INTERVAL {
                told_at = Instant::now();
                writer.write_if_ready(&json!({ "redriven": redriven }));
            }
        };
        let error = tokio::select! {
            () = writer.closed() => {
                tracing::warn!(sent, "whoever redrove dead letters has gone; the rest are kept");
                return;
            }
            () = gateway.shutdown.cancelled() => Some("the gateway is shutting down".to_owned()),
            outcome = gateway.bus.redrive(redrive, progress) => outcome.err().map(|error| error.to_string()),
        };
        let mut last = json!({ "redriven": sent, "done": error.is_none() });
        if let Some(error) = error {
            last["error"] = error.into();
        }
        writer.write(&last).await;
    });
    Ok(response)
}

pub(super) async fn redrive_one(
    State(controlled): State<Controlled>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    match controlled.gateway.bus.redrive_dead_letter(parse(&id)?).await.map_err(Refusal::failed)? {
        true => Ok(Json(json!({ "redriven": 1 }))),
        false => Err(Refusal::missing(format!("there is no dead letter `{id}`"))),
    }
}

pub(super) async fn purge(
    State(controlled): State<Controlled>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let purged =
        controlled.gateway.bus.purge_dead_letters(wanted.filter()?).await.map_err(Refusal::failed)?;
    Ok(Json(json!({ "purged": purged })))
}

pub(super) async fn purge_one(
    State(controlled): State<Controlled>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    match controlled.gateway.bus.purge_dead_letter(parse(&id)?).await.map_err(Refusal::failed)? {
        true => Ok(Json(json!({ "purged": 1 }))),
        false => Err(Refusal::missing(format!("there is no dead letter `{id}`"))),
    }
}

/// A letter of which nothing but its id can be told.
fn render_damaged(error: &bus::LetterError) -> Value {
    json!({ "id": error.id.to_string(), "damaged": error.reason })
}

fn render(gateway: &Gateway, letter: &DeadLetter, whole: bool) -> Value {
    let (raw, delivery) = (&gateway.settings.raw, &letter.delivery);
    let mut attributes: Map<String, Value> = letter
        .attributes()
        .into_iter()
        .map(|(name, value)| (name.to_string(), Value::String(value)))
        .collect();
    attributes.insert("RULE_ARN".to_owned(), arns::rule(raw, &delivery.rule).into());
    attributes.insert("TARGET_ARN".to_owned(), arns::target(raw, &letter.id.target).into());
    let mut rendered =
        json!({ "id": letter.id.to_string(), "attributes": attributes, "topic": delivery.topic });
    if whole {
        rendered["clientId"] = delivery.client_id.as_str().into();
        rendered["partitionKey"] = delivery.partition_key.as_str().into();
        rendered["acceptedAt"] = bus::rfc3339(delivery.accepted_at_ms).into();
        rendered["contentType"] = delivery.content_type.as_str().into();
        let data = &delivery.data;
        match std::str::from_utf8(data) {
            Ok(text) => rendered["data"] = serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            Err(_) => rendered["dataBase64"] = STANDARD.encode(data).into(),
        }
    }
    rendered
}
