//! Live messages through a rule, as lines for a program or a person. Ends by itself, after a number of messages or a time.

use super::missing;
use crate::control::{Controlled, Refusal};
use crate::flow::Seen;
use crate::gateway::Gateway;
use crate::traces::{Counts, Following, Wanted};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use rules::TopicFilter;
use rules::definition::Definition;
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages that are shown when nobody says how many.
const COUNT: u64 = 100;
/// The most that may be asked for.
const COUNT_MAX: u64 = 100_000;
/// How long it goes on when nobody says, in seconds.
const SECS: u64 = 60;
/// The longest that may be asked for.
const SECS_MAX: u64 = 3_600;
/// Bytes of a payload that are shown.
const PAYLOAD_BYTES_MAX: usize = 1_024;
/// Messages that wait for the reader's socket; behind them the follower's own buffer fills.
const LINES_MAX: usize = 4;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::control) struct Asked {
    topic: Option<String>,
    client_id: Option<String>,
    count: Option<u64>,
    secs: Option<u64>,
    /// One message of so many.
    sample: Option<NonZeroU64>,
}

/// Follows a rule. The answer goes on until it ends or the reader goes.
pub(in crate::control) async fn trace(
    State(controlled): State<Controlled>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let gateway = controlled.gateway;
    if gateway.definitions.active().get(&name).is_none() {
        return Err(missing(&gateway, &name));
    }
    let topic = asked.topic.as_deref().map(TopicFilter::parse).transpose().map_err(Refusal::bad)?;
    let (count, secs) = (asked.count.unwrap_or(COUNT), asked.secs.unwrap_or(SECS));
    if !(1..=COUNT_MAX).contains(&count) || !(1..=SECS_MAX).contains(&secs) {
        let text = format!("`count` is 1 to {COUNT_MAX} messages, `secs` 1 to {SECS_MAX} seconds");
        return Err(Refusal::bad(text));
    }
    let sample = asked.sample.unwrap_or(NonZeroU64::MIN);
    let wanted = Wanted { rule: name, topic, client_id: asked.client_id, sample };
    let following = gateway
        .traces
        .follow(wanted)
        .map_err(|error| Refusal(StatusCode::TOO_MANY_REQUESTS, error.to_string()))?;
    let is_text = headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/plain");
    let (sender, lines) = mpsc::channel(LINES_MAX);
    let session = Session { gateway: Arc::clone(&gateway), following, is_text, count, shown: 0 };
    gateway.connection_tasks.spawn(session.run(Duration::from_secs(secs), sender));
    let mut response = Response::new(Body::new(Lines(lines)));
    let content_type = if is_text { "text/plain; charset=utf-8" } else { "application/x-ndjson" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// What is written, as it comes.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

struct Session {
    gateway: Arc<Gateway>,
    following: Following,
    is_text: bool,
    count: u64,
    shown: u64,
}

impl Session {
    async fn run(mut self, time_max: Duration, sender: mpsc::Sender<Bytes>) {
        let end = Instant::now() + time_max;
        let why = loop {
            if self.shown >= self.count {
                break "all that were asked for";
            }
            let seen = tokio::select! {
                biased;
                () = self.gateway.shutdown.cancelled() => break "the gateway ends",
                () = sender.closed() => return,
                () = tokio::time::sleep_until(end) => break "the time is up",
                seen = self.following.next() => seen,
            };
            let Some(seen) = seen else { break "the gateway ends" };
            let Some(text) = self.explain(seen).await else { continue };
            self.shown += 1;
            let sent = tokio::select! {
                biased;
                sent = sender.send(text.into()) => sent,
                () = tokio::time::sleep_until(end) => break "the time is up",
            };
            if sent.is_err() {
                return;
            }
        };
        let _ = sender.try_send(self.summary(why).into());
    }

    /// Explained by a thread that may block; `None` when the rule is gone.
    async fn explain(&self, seen: Seen) -> Option<String> {
        let gateway = Arc::clone(&self.gateway);
        let rule = Arc::clone(gateway.definitions.active().get(&self.following.wanted().rule)?);
        let is_text = self.is_text;
        let explaining = tokio::task::spawn_blocking(move || match is_text {
            true => as_text(&gateway, &rule, &seen),
            false => as_json(&gateway, &rule, &seen),
        });
        explaining.await.ok()
    }

    fn summary(&self, why: &str) -> String {
        let Counts { seen, dropped, .. } = self.following.counts();
        let (seen, dropped, shown) = (seen.load(Relaxed), dropped.load(Relaxed), self.shown);
        let sample = self.following.wanted().sample;
        if !self.is_text {
            let summary = json!({ "ended": why, "shown": shown, "messages": seen, "sample": sample, "dropped": dropped });
            return format!("{summary}\n");
        }
        let sampled = if sample.get() > 1 { format!(", one of {sample}") } else { String::new() };
        let dropped =
            if dropped > 0 { format!("; {dropped} came too fast and were left out") } else { String::new() };
        format!("ended: {why}; {shown} shown of {seen} messages{sampled}{dropped}\n")
    }
}

fn as_json(gateway: &Gateway, rule: &Definition, seen: &Seen) -> String {
    let explained = seen.explain(gateway, rule);
    let event = explained.explanation.is_event().then(|| seen.event_id(&rule.name));
    let explanation = match explained.explanation.json(&explained.actions) {
        Ok(json) => json.get().to_string(),
        Err(error) => json!({ "fault": error.to_string() }).to_string(),
    };
    let about = json!({
        "acceptedAtMs": seen.accepted_at_ms(),
        "topic": seen.topic(),
        "clientId": seen.client_id(),
        "payload": excerpt(seen.payload()),
        "payloadBytes": seen.payload_bytes(),
        "eventId": event,
    });
    // What an explanation holds is JSON already, with numbers of any length.
    let about = about.to_string();
    format!("{},\"explanation\":{explanation}}}\n", about.strip_suffix('}').unwrap_or(&about))
}

fn as_text(gateway: &Gateway, rule: &Definition, seen: &Seen) -> String {
    let explained = seen.explain(gateway, rule);
    let client = seen.client_id().map_or("the gateway".to_string(), |client_id| match client_id {
        "" => "a client without a client id".to_string(),
        client_id => format!("`{client_id}`"),
    });
    let event = match explained.explanation.is_event() {
        true => format!("event    {}\n", seen.event_id(&rule.name)),
        false => String::new(),
    };
    format!(
        "--- {} {} from {client}\npayload  {}\n{}{event}\n",
        time_of(seen.accepted_at_ms()),
        printable(seen.topic()),
        printable(&excerpt(seen.payload())),
        explained.explanation.text(&explained.actions),
    )
}

fn time_of(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| ms.to_string())
}

/// The beginning of a payload; what is no text is shown by its length.
fn excerpt(payload: &[u8]) -> String {
    let beginning = &payload[..payload.len().min(PAYLOAD_BYTES_MAX)];
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        // A character may have been cut in two.
        Err(error) if beginning.len() < payload.len() && error.error_len().is_none() => {
            std::str::from_utf8(&beginning[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return format!("({} bytes that are no text)", payload.len()),
    };
    match text.len() == payload.len() {
        true => text.to_string(),
        false => format!("{text}… ({} bytes)", payload.len()),
    }
}

/// Without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::{excerpt, printable};

    #[test]
    fn payloads_are_shown_as_far_as_they_go_on_a_screen() {
        assert_eq!(excerpt(b"{\"a\":1}"), "{\"a\":1}");
        assert_eq!(excerpt(b"\xff\x00"), "(2 bytes that are no text)");
        let long = "é".repeat(600);
        assert_eq!(excerpt(long.as_bytes()), format!("{}… (1200 bytes)", "é".repeat(512)));
        let odd = format!("a{long}");
        assert_eq!(excerpt(odd.as_bytes()), format!("a{}… (1201 bytes)", "é".repeat(511)));
        assert_eq!(printable("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
    }
}
