//! Events that a target refused for good.

use super::{Controlled, Refusal};
use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::{DeadLetter, DeadLetterFilter, DeadLetterId, TargetName};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::num::NonZeroU32;

/// Letters in one page.
const PAGE_MAX: usize = 1000;

/// Which letters.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Wanted {
    target: Option<String>,
    rule: Option<String>,
    error_code: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    per_second: Option<NonZeroU32>,
}

impl Wanted {
    fn filter(&self) -> Result<DeadLetterFilter, Refusal> {
        let target = self.target.as_deref().map(TargetName::parse).transpose().map_err(Refusal::bad)?;
        Ok(DeadLetterFilter { target, rule: self.rule.clone(), error_code: self.error_code.clone() })
    }
}

fn parse(id: &str) -> Result<DeadLetterId, Refusal> {
    id.parse().map_err(Refusal::bad)
}

pub(super) async fn list(
    State(controlled): State<Controlled>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let after = wanted.after.as_deref().map(parse).transpose()?;
    let limit = wanted.limit.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let page =
        controlled.gateway.bus.dead_letters(wanted.filter()?, after, limit).await.map_err(Refusal::failed)?;
    let letters: Vec<Value> = page.letters.iter().map(|letter| render(letter, false)).collect();
    Ok(Json(json!({ "deadLetters": letters, "next": page.next.map(|id| id.to_string()) })))
}

pub(super) async fn show(
    State(controlled): State<Controlled>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let letter = controlled.gateway.bus.dead_letter(parse(&id)?).await.map_err(Refusal::failed)?;
    let letter = letter.ok_or_else(|| Refusal::missing(format!("there is no dead letter `{id}`")))?;
    Ok(Json(render(&letter, true)))
}

pub(super) async fn redrive(
    State(controlled): State<Controlled>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let redriven = controlled
        .gateway
        .bus
        .redrive_dead_letters(wanted.filter()?, wanted.per_second)
        .await
        .map_err(Refusal::failed)?;
    Ok(Json(json!({ "redriven": redriven })))
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

fn render(letter: &DeadLetter, whole: bool) -> Value {
    let attributes: Map<String, Value> = letter
        .attributes()
        .into_iter()
        .map(|(name, value)| (name.to_string(), Value::String(value)))
        .collect();
    let mut rendered =
        json!({ "id": letter.id.to_string(), "attributes": attributes, "topic": letter.delivery.topic });
    if whole {
        let data = &letter.delivery.data;
        rendered["clientId"] = letter.delivery.client_id.as_str().into();
        rendered["contentType"] = letter.delivery.content_type.as_str().into();
        match std::str::from_utf8(data) {
            Ok(text) => rendered["data"] = serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            Err(_) => rendered["dataBase64"] = STANDARD.encode(data).into(),
        }
    }
    rendered
}
