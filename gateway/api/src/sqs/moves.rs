//! Message move tasks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use targets::queue::{MoveStatus, MoveTask};
use uuid::Uuid;

use super::faults::{fault, invalid_value, missing, of};
use crate::aws::{Call, Fault};

/// Most tasks in one answer.
const LIST_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Start {
    source_arn: Option<String>,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Started {
    task_handle: String,
}

pub(super) async fn start(call: Call, request: Start) -> Result<Started, Fault> {
    let source = queue_of(&call, request.source_arn.as_deref(), "SourceArn")?;
    let destination = match request.destination_arn.as_deref().filter(|arn| !arn.is_empty()) {
        Some(arn) => Some(queue_of(&call, Some(arn), "DestinationArn")?),
        None => None,
    };
    let rate = request.max_number_of_messages_per_second;
    let started = call.aws.queues.start_move(&source, destination, rate).await;
    let id = started.map_err(|error| of(&error))?;
    Ok(Started { task_handle: handle(&call, &source, id) })
}

/// The name in an ARN of a queue that is here.
fn queue_of(call: &Call, arn: Option<&str>, parameter: &str) -> Result<String, Fault> {
    let arn = arn.ok_or_else(|| missing(parameter))?;
    let unknown = || {
        fault("ResourceNotFoundException", format!("`{arn}`, the value of `{parameter}`, is no queue here"))
    };
    let name = call.name_in_arn(arn).ok_or_else(unknown)?;
    call.aws.queues.get(name).map_err(|_| unknown())?;
    Ok(name.to_owned())
}

/// A handle says which task of which queue it stands for.
fn handle(call: &Call, source: &str, id: Uuid) -> String {
    STANDARD.encode(json!({"taskId": id, "sourceArn": call.queue_arn(source)}).to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cancel {
    task_handle: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cancelled {
    approximate_number_of_messages_moved: u64,
}

pub(super) async fn cancel(call: Call, request: Cancel) -> Result<Cancelled, Fault> {
    let handle = request.task_handle.ok_or_else(|| missing("TaskHandle"))?;
    let bent = || invalid_value("the value of `TaskHandle` is no handle of a message move task");
    let text = STANDARD.decode(&handle).map_err(|_| bent())?;
    let task: Value = serde_json::from_slice(&text).map_err(|_| bent())?;
    let id = task["taskId"].as_str().and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(bent)?;
    let moved = call.aws.queues.cancel_move(id).map_err(|error| of(&error))?;
    Ok(Cancelled { approximate_number_of_messages_moved: moved })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    source_arn: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    results: Vec<Task>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    /// Only while the task can be cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_handle: Option<String>,
    status: &'static str,
    source_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_messages_per_second: Option<u32>,
    approximate_number_of_messages_moved: u64,
    approximate_number_of_messages_to_move: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    started_timestamp: u64,
}

pub(super) async fn list(call: Call, request: List) -> Result<Listed, Fault> {
    let source = queue_of(&call, request.source_arn.as_deref(), "SourceArn")?;
    let results_max = request.max_results.unwrap_or(1);
    if !(1..=LIST_MAX).contains(&results_max) {
        return Err(invalid_value(format!("`MaxResults` must be from 1 to {LIST_MAX}")));
    }
    let tasks = call.aws.queues.moves(&source).map_err(|error| of(&error))?;
    let results = tasks.into_iter().take(results_max).map(|task| row(&call, task)).collect();
    Ok(Listed { results })
}

fn row(call: &Call, task: MoveTask) -> Task {
    let is_running = task.status == MoveStatus::Running;
    Task {
        task_handle: is_running.then(|| handle(call, &task.source, task.id)),
        status: task.status.as_str(),
        source_arn: call.queue_arn(&task.source),
        destination_arn: task.destination.as_deref().map(|name| call.queue_arn(name)),
        max_number_of_messages_per_second: task.per_second,
        approximate_number_of_messages_moved: task.moved,
        approximate_number_of_messages_to_move: task.to_move,
        failure_reason: task.failure,
        started_timestamp: task.started_at_ms,
    }
}
