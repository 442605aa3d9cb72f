//! The functions: how they do, calls by hand, and what they print.

use super::{Controlled, Refusal};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use targets::function::{Asked, Declared, Invocation, Invoked, LogReader};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Lines of a log that are shown when nobody says how many.
const LINES: usize = 100;
/// Most bytes of a log that are handed on at once.
const CHUNK_BYTES_MAX: u64 = 64 << 10;
/// How often it is looked whether a log that is followed has grown.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

pub(super) async fn list(State(controlled): State<Controlled>) -> Json<Vec<Value>> {
    let rows = controlled.targets.functions.all().map(|declared| {
        let (function, state) = (&declared.function, declared.function.state());
        let figures = function.figures();
        let errors: u64 = figures.errors().iter().map(|(_, count)| count).sum();
        json!({
            "name": function.settings().name,
            "concurrency": function.settings().concurrency,
            "busy": figures.busy(),
            "idle": state.idle,
            "invocations": figures.durations().count(),
            "errors": errors,
            "throttles": figures.throttles(),
            "coldStarts": figures.inits().count(),
            "health": match state.health {
                bus::Health::Healthy => "healthy".to_string(),
                bus::Health::Unhealthy(why) => why,
                bus::Health::Unknown => "not called yet".to_string(),
            },
        })
    });
    Json(rows.collect())
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct How {
    queued: bool,
}

/// Calls a function with the body as its event: now, or queued.
pub(super) async fn invoke(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
    Query(how): Query<How>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let declared = find(&controlled, &name)?;
    let request_id = Uuid::now_v7();
    let invocation = Invocation::from(body);
    if how.queued {
        declared.queued.submit(request_id, invocation).await.map_err(Refusal::failed)?;
        return Ok(Json(json!({ "requestId": request_id })));
    }
    let asked = Asked { request_id: request_id.to_string(), invocation, wants_log: true };
    let Invoked { result, log_tail } = declared.function.invoke_now(asked).await;
    let log = String::from_utf8_lossy(&log_tail.unwrap_or_default()).into_owned();
    let (payload, failed) = match result {
        Ok(response) => {
            let text = || Value::String(String::from_utf8_lossy(&response.payload).into_owned());
            (serde_json::from_slice(&response.payload).unwrap_or_else(|_| text()), response.error.is_some())
        }
        Err(error) if error.is_of_function() => (error.as_lambda(&request_id.to_string()), true),
        Err(error) => return Err(Refusal::failed(error)),
    };
    Ok(Json(json!({ "requestId": request_id, "failed": failed, "payload": payload, "log": log })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Which {
    lines: Option<usize>,
    follow: bool,
}

/// What a function printed last, and if asked for what it prints from now on.
pub(super) async fn logs(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    let declared = find(&controlled, &name)?;
    let path = declared.function.log().path().map(std::path::Path::to_path_buf);
    let path = path.ok_or_else(|| Refusal::missing(format!("function `{name}` keeps no log")))?;
    let lines = which.lines.unwrap_or(LINES);
    let opened = tokio::task::spawn_blocking(move || LogReader::open(&path, lines)).await;
    let (first, reader) = opened.map_err(Refusal::failed)?.map_err(Refusal::failed)?;
    if !which.follow {
        return Ok(first.into_response());
    }
    let following =
        Following { first: Some(first), reader: Some(reader), end: controlled.gateway.shutdown.clone() };
    let chunks = futures::stream::unfold(following, |mut following| async {
        let chunk = following.next().await?;
        Some((chunk, following))
    });
    Ok(Body::from_stream(chunks).into_response())
}

/// A reader of a log that goes on until the gateway ends or nobody reads.
struct Following {
    first: Option<Vec<u8>>,
    reader: Option<LogReader>,
    end: CancellationToken,
}

impl Following {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first.into()));
        }
        loop {
            // It is gone after an error, which was handed on.
            let mut reader = self.reader.take()?;
            let reading = tokio::task::spawn_blocking(move || (reader.read(CHUNK_BYTES_MAX), reader)).await;
            let (read, reader) = reading.ok()?;
            match read {
                Ok(text) if text.is_empty() => {}
                Ok(text) => {
                    self.reader = Some(reader);
                    return Some(Ok(text.into()));
                }
                Err(error) => return Some(Err(error)),
            }
            self.reader = Some(reader);
            self.end.run_until_cancelled(tokio::time::sleep(FOLLOW_INTERVAL)).await?;
        }
    }
}

fn find<'a>(controlled: &'a Controlled, name: &str) -> Result<&'a Declared, Refusal> {
    let functions = &controlled.targets.functions;
    functions.get(name).ok_or_else(|| {
        let known: Vec<String> = functions
            .all()
            .take(20)
            .map(|declared| format!("`{}`", declared.function.settings().name))
            .collect();
        Refusal::missing(match known.len() {
            0 => format!("there is no function `{name}`; there is none at all"),
            _ => format!("there is no function `{name}`; there are {}", known.join(", ")),
        })
    })
}
