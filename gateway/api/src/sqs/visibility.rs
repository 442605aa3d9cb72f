//! What a consumer does with a receipt handle: delete, or change the visibility.

use serde::{Deserialize, Serialize};
use targets::queue::{Queue, VISIBILITY_MS_MAX};

use super::faults::{self, invalid_value};
use super::messages::{Batch, BatchOutcome, check_ids};
use crate::aws::{Call, Fault, Nothing};

/// One handle, alone or as an entry of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Handle {
    queue_url: Option<String>,
    id: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<u32>,
}

/// An entry of a batch that was done.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done {
    id: String,
}

pub(super) async fn delete(call: Call, request: Handle) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    delete_one(&queue, &request).await?;
    Ok(Nothing {})
}

async fn delete_one(queue: &Queue, request: &Handle) -> Result<(), Fault> {
    queue.delete(handle(request)?).await.map_err(|error| faults::of(&error))
}

fn handle(request: &Handle) -> Result<&str, Fault> {
    request.receipt_handle.as_deref().ok_or_else(|| faults::missing("ReceiptHandle"))
}

pub(super) async fn delete_batch(call: Call, request: Batch<Handle>) -> Result<BatchOutcome<Done>, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let ids = check_ids(request.entries.iter().map(|entry| entry.id.as_deref()))?;
    // Together, so that they share one write.
    let deletes =
        futures::future::join_all(request.entries.iter().map(|entry| delete_one(&queue, entry))).await;
    Ok(BatchOutcome::new(ids.into_iter().zip(deletes).map(done)))
}

pub(super) async fn change(call: Call, request: Handle) -> Result<Nothing, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    change_one(&queue, &request)?;
    Ok(Nothing {})
}

fn change_one(queue: &Queue, request: &Handle) -> Result<(), Fault> {
    check_timeout(request.visibility_timeout)?;
    let secs = request.visibility_timeout.ok_or_else(|| faults::missing("VisibilityTimeout"))?;
    queue.change_visibility(handle(request)?, secs).map_err(|error| faults::of(&error))
}

pub(super) async fn change_batch(call: Call, request: Batch<Handle>) -> Result<BatchOutcome<Done>, Fault> {
    let queue = call.queue(request.queue_url.as_deref())?;
    let ids = check_ids(request.entries.iter().map(|entry| entry.id.as_deref()))?;
    let changes = request.entries.iter().map(|entry| change_one(&queue, entry));
    Ok(BatchOutcome::new(ids.into_iter().zip(changes).map(done)))
}

fn done((id, outcome): (String, Result<(), Fault>)) -> (String, Result<Done, Fault>) {
    (id.clone(), outcome.map(|()| Done { id }))
}

/// Checks a visibility timeout against SQS's 12 hours.
pub(super) fn check_timeout(secs: Option<u32>) -> Result<(), Fault> {
    let secs_max = VISIBILITY_MS_MAX / 1000;
    match secs {
        Some(secs) if u64::from(secs) > secs_max => {
            Err(invalid_value(format!("`VisibilityTimeout` must be from 0 to {secs_max}")))
        }
        _ => Ok(()),
    }
}
