//! Rules tried over HTTP: `POST /rules/eval` and `POST /rules/test`.
//!
//! On the control socket rules of the gateway can be tried, with the actions as they would be filled. On the API's address, if that is
//! loopback, only statements that come with the request: whoever is on this machine learns nothing about the gateway and its messages.
//! Requests are bounded in number, size and time; they are worked on by threads that may block, a few at once.

mod answer;
mod cases;
mod local;

use crate::flow::outside::Desk;
use crate::gateway::Gateway;
use answer::{Answer, Refused};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use bytes::Bytes;
use rules::cases::{Trial, Tried};
use rules::definition::Definition;
use rules::outside::Outside;
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests that are worked on at once; more are refused.
const REQUESTS_MAX: usize = 2;
/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// What handlers work with.
#[derive(Clone)]
struct Trials {
    gateway: Arc<Gateway>,
    /// Whether the gateway's own rules can be tried.
    owner: bool,
    places: Arc<Semaphore>,
}

/// The paths for whoever may use the control socket.
pub(crate) fn of_owner<S: Clone + Send + Sync + 'static>(gateway: Arc<Gateway>) -> Router<S> {
    router(gateway, true)
}

/// The paths for everybody on this machine; none, if others reach the address.
pub(crate) fn of_everybody_here(gateway: &Arc<Gateway>, address: SocketAddr) -> Router {
    match address.ip().is_loopback() {
        true => router(Arc::clone(gateway), false).route_layer(axum::middleware::from_fn(local::check)),
        false => Router::new(),
    }
}

fn router<S: Clone + Send + Sync + 'static>(gateway: Arc<Gateway>, owner: bool) -> Router<S> {
    let trials = Trials { gateway, owner, places: Arc::new(Semaphore::new(REQUESTS_MAX)) };
    Router::new().route("/rules/eval", post(eval)).route("/rules/test", post(test)).with_state(trials)
}

impl Trials {
    /// Reads a body and has it worked on by a thread that may block.
    async fn work(
        self,
        headers: &HeaderMap,
        body: Body,
        work: impl FnOnce(&Self, &Bytes, bool) -> Result<Answer, Refused> + Send + 'static,
    ) -> Result<Answer, Refused> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| {
            let text = format!("{REQUESTS_MAX} requests are being worked on, which is the most; try again");
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, text)
        })?;
        let body = read(body).await?;
        let as_text = headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/plain");
        let worked = tokio::task::spawn_blocking(move || {
            let answer = work(&self, &body, as_text);
            drop(place);
            answer
        });
        worked.await.map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
    }

    /// The rule of this name, for those who may try it.
    fn rule(&self, name: &str) -> Result<Arc<Definition>, Refused> {
        if !self.owner {
            let text = "rules of the gateway are tried over its control socket; send `sql` here";
            return Err(Refused::new(StatusCode::FORBIDDEN, text));
        }
        let active = self.gateway.definitions.active();
        let rule = active.get(name).cloned();
        rule.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("no rule `{name}` is in force")))
    }
}

async fn read(body: Body) -> Result<Bytes, Refused> {
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, BODY_BYTES_MAX)).await;
    let read =
        read.map_err(|_| Refused::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"))?;
    read.map_err(|_| {
        let text = format!("the body broke off, or has more than {BODY_BYTES_MAX} bytes");
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })
}

/// Shows what a statement or rule makes of one message.
async fn eval(State(trials): State<Trials>, headers: HeaderMap, body: Body) -> Result<Answer, Refused> {
    trials
        .work(&headers, body, |trials, body, as_text| {
            let text = std::str::from_utf8(body).map_err(|_| Refused::bad("the body is no UTF-8"))?;
            let trial = Trial::read(text, trials.gateway.now_ms()).map_err(Refused::bad)?;
            let rule = trial.rule().map(|name| trials.rule(name)).transpose()?;
            let desk = Desk::new(&trials.gateway, Some("a trial calls no function"));
            let outside = rule.is_some().then_some(&desk as &dyn Outside);
            let Tried { explanation, actions } = trial.run(rule.as_deref(), outside).map_err(Refused::bad)?;
            if as_text {
                return Ok(Answer::Text(explanation.text(&actions)));
            }
            explanation.json(&actions).map(|json| Answer::Json(json.get().to_string())).map_err(Refused::bad)
        })
        .await
}

/// Which cases are run, and about what.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Which {
    /// A rule of the gateway, for cases without a statement.
    rule: Option<String>,
    /// A text that the id must contain.
    filter: Option<String>,
}

/// Runs cases, one on each line.
async fn test(
    State(trials): State<Trials>,
    Query(which): Query<Which>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refused> {
    trials
        .work(&headers, body, move |trials, body, as_text| {
            let rule = which.rule.as_deref().map(|name| trials.rule(name)).transpose()?;
            cases::run(body, rule.as_deref(), which.filter.as_deref(), as_text)
        })
        .await
}
