//! What there is: functions, and the limits that the settings give them.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use bus::Health;
use serde::Deserialize;
use serde_json::{Value, json};
use targets::function::Declared;

use super::invoke::Qualified;
use super::{faults, json as answer, name, serve};
use crate::aws::Aws;

/// Most functions in one answer, as in Lambda.
const PAGE_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    marker: Option<String>,
    max_items: Option<usize>,
}

pub(super) async fn list(
    State(aws): State<Arc<Aws>>,
    Query(page): Query<Page>,
    request: Request,
) -> Response {
    serve(&aws, request, |_asked| async {
        let count = page.max_items.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        // A marker is the last name of the page before.
        let is_later = |declared: &&Declared| {
            page.marker.as_deref().is_none_or(|marker| declared.function.settings().name.as_str() > marker)
        };
        let mut rest = aws.functions.all().filter(is_later);
        let functions: Vec<&Declared> = rest.by_ref().take(count).collect();
        let last = functions.last().map(|declared| declared.function.settings().name.clone());
        let marker = rest.next().and(last);
        let shown: Vec<Value> = functions.into_iter().map(shown).collect();
        Ok(answer(&json!({ "Functions": shown, "NextMarker": marker })))
    })
    .await
}

pub(super) async fn function(
    State(aws): State<Arc<Aws>>,
    Path(named): Path<String>,
    Query(qualified): Query<Qualified>,
    request: Request,
) -> Response {
    serve(&aws, request, |_asked| async {
        let declared = name::find(&aws, &named, qualified.qualifier.as_deref())?;
        Ok(answer(&json!({ "Configuration": shown(declared), "Concurrency": reserved(declared) })))
    })
    .await
}

pub(super) async fn configuration(
    State(aws): State<Arc<Aws>>,
    Path(named): Path<String>,
    Query(qualified): Query<Qualified>,
    request: Request,
) -> Response {
    serve(&aws, request, |_asked| async {
        let declared = name::find(&aws, &named, qualified.qualifier.as_deref())?;
        Ok(answer(&shown(declared)))
    })
    .await
}

pub(super) async fn concurrency(
    State(aws): State<Arc<Aws>>,
    Path(named): Path<String>,
    request: Request,
) -> Response {
    serve(&aws, request, |_asked| async { Ok(answer(&reserved(name::find(&aws, &named, None)?))) }).await
}

pub(super) async fn event_invoke_config(
    State(aws): State<Arc<Aws>>,
    Path(named): Path<String>,
    request: Request,
) -> Response {
    serve(&aws, request, |_asked| async {
        let declared = name::find(&aws, &named, None)?;
        let settings = declared.queued.settings();
        let arn = |target: &bus::TargetName| {
            let text = target.to_string();
            let destination = match text.split_once('/') {
                Some(("queue", name)) => aws_arn(&aws, "sqs", name),
                Some(("stream", name)) => aws_arn(&aws, "kinesis", &format!("stream/{name}")),
                Some((_, name)) => aws_arn(&aws, "lambda", &format!("function:{name}")),
                None => return Err(faults::not_found("the destination has no name")),
            };
            Ok(json!({ "Destination": destination }))
        };
        let mut destinations = serde_json::Map::new();
        for (key, target) in [("OnSuccess", &settings.on_success), ("OnFailure", &settings.on_failure)] {
            if let Some(target) = target {
                destinations.insert(key.to_owned(), arn(target)?);
            }
        }
        Ok(answer(&json!({
            "FunctionArn": format!("{}:{}", declared.function.settings().arn(), name::LATEST),
            "MaximumRetryAttempts": settings.retries_max,
            "MaximumEventAgeInSeconds": settings.age_max.as_secs(),
            "DestinationConfig": destinations,
        })))
    })
    .await
}

fn aws_arn(aws: &Aws, service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{}:{resource}", aws.settings.region, aws.settings.account_id)
}

/// A function as Lambda shows it, without what the gateway doesn't know. The environment may hold secrets and stays out.
fn shown(declared: &Declared) -> Value {
    let settings = declared.function.settings();
    let mut shown = json!({
        "FunctionName": settings.name,
        "FunctionArn": settings.arn(),
        "Handler": settings.handler,
        "Timeout": settings.timeout.as_secs_f64().ceil() as u64,
        "MemorySize": settings.memory_mib,
        "Version": name::LATEST,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
    });
    if let Health::Unhealthy(why) = declared.function.state().health {
        shown["State"] = "Failed".into();
        shown["StateReason"] = why.into();
    }
    shown
}

fn reserved(declared: &Declared) -> Value {
    json!({ "ReservedConcurrentExecutions": declared.function.settings().concurrency })
}
