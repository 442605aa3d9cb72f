//! Step 5: one durable write, and only then the acknowledgement.
//!
//! All events of one message, the copies owed to durable sessions and the retained message form one journal record: all or nothing. A
//! message that causes none of these is not written. Either way messages leave in the order they came: each waits in a queue until it, and
//! everything before it, is durable.

use super::announce::Announcement;
use super::evaluate;
use super::held::{ForAnswers, ForSubscriber, Freed, Held};
use crate::client::Client;
use crate::gateway::Gateway;
use crate::resends::{Earlier, content_digest};
use access::Permitted;
use broker::{AckToken, Message, Route, WillKey};
use bus::{AppendError, CommitError, NotNow, Offset, Origin, Owed, Producer, Record, ResendKey, Source};
use line::Line;
use mqtt::{Properties, Publish, Qos, ReasonCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod line;
#[cfg(test)]
mod tests;

/// A message on its way from its receipt to its acknowledgement.
pub(super) struct Accepted {
    /// What the broker is to do with it; nothing, when nobody subscribes to it and it is not retained.
    pub(super) delivery: Option<Box<Delivery>>,
    pub(super) token: Option<AckToken>,
    /// As it was published.
    pub(super) qos: Qos,
    /// Where it is in the journal; `None` when nothing of it has to be durable.
    pub(super) offset: Option<Offset>,
    /// Whether a subscriber or a rule gets it.
    pub(super) is_heard: bool,
    pub(super) received: Instant,
    /// What it counts for while it waits.
    bytes: usize,
}

/// A message for subscribers.
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) route: Route<Client>,
}

impl Delivery {
    /// Without memory of its own for a message that nobody wants: most of a fleet's messages may be such.
    fn of(message: Message, route: Route<Client>) -> Option<Box<Self>> {
        let is_wanted = message.retain || route.has_work();
        is_wanted.then(|| Box::new(Self { message: Arc::new(message), route }))
    }
}

/// A message that may be published, and is not on its way yet.
pub(super) struct Submitted {
    pub(super) publish: Permitted<Publish>,
    pub(super) token: Option<AckToken>,
    /// When it came: its expiry counts from there.
    came_ms: u64,
    received: Instant,
    /// How long it may wait for a subscriber whose queue is full, if it may.
    until: Option<tokio::time::Instant>,
    /// What the rules made of it, once they did.
    record: Option<Record>,
}

/// Why a message was not accepted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No policy allows it; what the client is told.
    Denied(String),
    /// It is beyond a limit: the code, a label for metrics, and what is wrong.
    Limit(ReasonCode, &'static str, String),
    /// The queue of this client is full, and the settings say that publishers wait for it.
    SubscriberFull(String),
    /// It was not taken into the journal.
    Append(AppendError),
    /// It was taken, but could not be made durable.
    Commit(CommitError),
    /// Its connection is being closed, and it was not taken yet.
    Closing,
    /// The gateway ends.
    ShuttingDown,
}

/// The messages of one connection that wait, in the order they came: for the disk, or behind one that does. A refusal waits in the same
/// line, because acknowledgements leave in order, whatever they say `[MQTT-4.6.0-2]`.
pub(super) struct Commits {
    producer: Producer,
    /// The will that is published through it.
    will: Option<WillKey>,
    subscriber_wait_max: Option<Duration>,
    waiting: Line<Waiting>,
    /// Refusals among them.
    refused: usize,
    /// Whether a message was not made durable that its client sends again, and with it everything behind it.
    comes_again: bool,
    bytes: usize,
    /// The last message, while there is no room for it or its rules wait for answers.
    held: Option<Held>,
}

enum Waiting {
    Accepted(Accepted),
    Refused(Refusal, Option<AckToken>),
}

/// A message whose turn has come.
pub(super) enum Settled {
    /// It is durable, or need not be.
    Accepted(Accepted),
    /// It is not; the token wants an answer all the same.
    Refused(Refusal, Option<AckToken>),
}

impl Commits {
    /// `subscriber_wait_max` is for a client of MQTT 3.1.1, which hears of a refusal by being closed alone: how long a publish waits for a
    /// subscriber whose queue is full, where the settings say that it does. Without it such a publish is refused at once.
    pub(super) fn new(producer: Producer, subscriber_wait_max: Option<Duration>) -> Self {
        Self {
            producer,
            will: None,
            subscriber_wait_max,
            waiting: Line::default(),
            refused: 0,
            comes_again: false,
            bytes: 0,
            held: None,
        }
    }

    /// For one message, which is this will.
    pub(super) fn of_will(producer: Producer, will: WillKey) -> Self {
        Self { will: Some(will), ..Self::new(producer, None) }
    }

    /// Messages that wait for their outcome.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether [`Commits::next`] may ever be ready.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.len() > 0 || self.is_held()
    }

    /// Bytes of those messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a message waits for answers that its rules need.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.held, Some(Held::Answers(_)))
    }

    /// Whether a message waits for room or answers. Nothing may be submitted meanwhile, and nothing refused: it would overtake that message.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the message that waits, if one does, wants an answer: without one its client sends it again.
    pub(super) fn holds_what_wants_an_answer(&self) -> bool {
        self.held.as_ref().is_some_and(Held::wants_an_answer)
    }

    /// For what a message waits, if one does; a label for metrics.
    pub(super) fn held_for(&self) -> Option<&'static str> {
        self.held.as_ref().map(Held::label)
    }

    /// Whether somebody in line is about to hear a refusal.
    pub(super) fn has_refused(&self) -> bool {
        self.refused > 0
    }

    /// Whether the connection ends because of a message that its client sends again, so that what is held must not be taken before it.
    pub(super) fn comes_again(&self) -> bool {
        self.comes_again
    }

    /// Puts a refusal in line.
    pub(super) fn refuse(&mut self, refusal: Refusal, token: Option<AckToken>) {
        self.refused += 1;
        self.waiting.push(Waiting::Refused(refusal, token));
    }

    /// Refuses the message that waits for room, if one does: its connection is being closed.
    pub(super) fn give_up(&mut self) {
        if let Some(held) = self.held.take() {
            self.refuse(Refusal::Closing, held.into_token());
        }
    }

    /// Evaluates the rules, finds the subscribers, and hands what has to be durable to the journal. What is not taken is a refusal in line;
    /// a message there is no room for now is held, see [`Commits::is_held`].
    pub(super) fn submit(
        &mut self,
        gateway: &Gateway,
        client: &Client,
        publish: Permitted<Publish>,
        token: Option<AckToken>,
    ) {
        let submitted = Submitted {
            publish,
            token,
            came_ms: gateway.now_ms(),
            received: Instant::now(),
            until: self.subscriber_wait_max.map(|wait_max| tokio::time::Instant::now() + wait_max),
            record: None,
        };
        self.place(gateway, client, submitted);
    }

    fn place(&mut self, gateway: &Gateway, client: &Client, mut submitted: Submitted) {
        let publish = &submitted.publish;
        let is_basic_ingest = rules::basic_ingest(&publish.topic).is_some();
        let message = Message::of(publish, Arc::clone(client.shared_client_id()), submitted.came_ms);
        // Basic Ingest goes around the broker: no subscriber, nothing retained.
        let route = (!is_basic_ingest).then(|| gateway.broker.route(&message));
        if let Some(subscriber) = route.as_ref().and_then(Route::refusal) {
            let subscriber = subscriber.to_string();
            return match submitted.until.filter(|until| *until > tokio::time::Instant::now()) {
                Some(_) => self.hold(Held::for_subscriber(client, submitted)),
                None => self.refuse(Refusal::SubscriberFull(subscriber), submitted.token),
            };
        }
        if route.is_some() && !gateway.broker.may_retain(&message) {
            let text = "as many messages are retained as allowed, or as many bytes of them".to_string();
            let refusal = Refusal::Limit(ReasonCode::QuotaExceeded, "retained_full", text);
            return self.refuse(refusal, submitted.token);
        }
        let record = match submitted.record.take() {
            Some(record) => record,
            None => {
                let mut record = Record::new(Origin::Device, submitted.came_ms);
                if publish.dup {
                    identify(gateway, client, &mut record, publish);
                }
                match evaluate::evaluate(gateway, Some(client), publish, record) {
                    Ok(record) => record,
                    // Who gets the message is looked up again when the answers are there.
                    Err(inquiry) => {
                        return self.hold(Held::for_answers(client, submitted, inquiry));
                    }
                }
            }
        };
        self.complete(gateway, client, submitted, record, message, route);
    }

    /// The record with everything in it goes to the journal.
    fn complete(
        &mut self,
        gateway: &Gateway,
        client: &Client,
        submitted: Submitted,
        mut record: Record,
        message: Message,
        route: Option<Route<Client>>,
    ) {
        let Submitted { publish, token, received, .. } = submitted;
        if let Some(route) = &route {
            owe(&mut record, route, &message);
        }
        keep_message(&mut record, &message);
        let is_heard = !record.events.is_empty() || route.as_ref().is_none_or(|route| !route.is_empty());
        let bytes = message.bytes();
        let delivery = route.and_then(|route| Delivery::of(message, route));
        let accepted =
            Accepted { delivery, token, qos: publish.qos, offset: None, is_heard, received, bytes };
        if record.is_empty() {
            return self.accept(accepted);
        }
        describe(&mut record, client, &publish);
        match publish.dup {
            true => mark_repeat(gateway, client, &mut record),
            false => identify(gateway, client, &mut record, &publish),
        }
        record.source = self.source(accepted.token.as_ref());
        let appended = match self.producer.prepare(&record) {
            Ok(prepared) => self.producer.try_append(prepared),
            Err(error) => Err(NotNow::Refused(error)),
        };
        match appended {
            Ok(offset) => self.appended(gateway, client, accepted, &record, offset),
            Err(NotNow::NoRoom(prepared)) => self.hold(Held::for_room(client, accepted, record, prepared)),
            Err(NotNow::Refused(error)) => self.refuse(Refusal::Append(error), accepted.token),
        }
    }

    /// Rules go on with the answers they waited for.
    fn answered(&mut self, gateway: &Gateway, held: ForAnswers) {
        let ForAnswers { client, mut submitted, inquiry } = held;
        match inquiry.with_answers(gateway, Some(&client), &submitted.publish) {
            Ok(record) => {
                submitted.record = Some(record);
                self.place(gateway, &client, submitted);
            }
            Err(inquiry) => self.hold(Held::for_answers(&client, submitted, inquiry)),
        }
    }

    fn hold(&mut self, held: Held) {
        self.held = Some(held);
    }

    fn appended(
        &mut self,
        gateway: &Gateway,
        client: &Client,
        mut accepted: Accepted,
        record: &Record,
        offset: Offset,
    ) {
        if let Some(token) = &mut accepted.token {
            token.recorded(offset.0);
        }
        remember(gateway, record, offset);
        explain(client, record, offset);
        self.accept(Accepted { offset: Some(offset), ..accepted });
    }

    fn accept(&mut self, accepted: Accepted) {
        self.bytes += accepted.bytes;
        self.waiting.push(Waiting::Accepted(accepted));
    }

    /// The same for a message of the gateway itself, of which the rules made this record: there is no client, nobody to answer, and what it
    /// retains is kept in memory alone.
    pub(super) async fn announce(&mut self, gateway: &Gateway, announcement: &Announcement, record: Record) {
        if let Err(refusal) = self.take(gateway, announcement, record, true).await {
            self.refuse(refusal, None);
        }
    }

    /// Puts a message without a client in line, unless there is no room for it now.
    async fn take(
        &mut self,
        gateway: &Gateway,
        announcement: &Announcement,
        mut record: Record,
        has_subscribers: bool,
    ) -> Result<(), Refusal> {
        let received = Instant::now();
        let Announcement { about, publish } = announcement;
        let message = Message::of(publish, Arc::default(), record.accepted_at_ms);
        let route = has_subscribers.then(|| gateway.broker.route(&message));
        if let Some(subscriber) = route.as_ref().and_then(Route::refusal) {
            return Err(Refusal::SubscriberFull(subscriber.to_string()));
        }
        if route.is_some() && record.republished > 0 && !gateway.broker.may_retain(&message) {
            let text = "as many messages are retained as allowed, or as many bytes of them".to_string();
            return Err(Refusal::Limit(ReasonCode::QuotaExceeded, "retained_full", text));
        }
        // What is said about one client stays in order, as what it says itself does.
        for route in record.events.iter_mut().flat_map(|event| &mut event.routes) {
            route.partition_key.get_or_insert_with(|| about.to_string());
        }
        if let Some(route) = &route {
            owe(&mut record, route, &message);
        }
        keep_message(&mut record, &message);
        let mut offset = None;
        if !record.is_empty() {
            record.topic = publish.topic.as_str().to_string();
            offset = Some(self.append(gateway, &record).await?);
        }
        let bytes = message.bytes();
        let delivery = route.and_then(|route| Delivery::of(message, route));
        let qos = publish.qos;
        self.accept(Accepted { delivery, token: None, qos, offset, is_heard: true, received, bytes });
        Ok(())
    }

    /// The same for a message that a rule publishes again: it may go to a rule by Basic Ingest, and what it retains is kept like any
    /// client's.
    ///
    /// # Errors
    /// There is no room for it now, so that it is not in line.
    pub(super) async fn publish(
        &mut self,
        gateway: &Gateway,
        announcement: &Announcement,
        record: Record,
    ) -> Result<(), Refusal> {
        let topic = announcement.publish.topic.as_str();
        let is_basic_ingest = rules::basic_ingest(topic).is_some();
        self.take(gateway, announcement, record, !is_basic_ingest).await
    }

    /// What the state of the sessions owes to the record.
    fn source(&self, token: Option<&AckToken>) -> Option<Source> {
        if let Some(will) = self.will {
            return Some(Source::Will { will: will.0 });
        }
        let (session, packet_id) = token?.exchange()?;
        Some(Source::Exchange { session: session.0, packet_id: packet_id.get() })
    }

    /// What a full target does not take is refused at once, for others wait behind it; a shutdown waits for nothing.
    async fn append(&mut self, gateway: &Gateway, record: &Record) -> Result<Offset, Refusal> {
        tokio::select! {
            biased;
            appended = self.producer.append_within(record, Duration::ZERO) => appended.map_err(Refusal::Append),
            () = gateway.shutdown.cancelled() => Err(Refusal::ShuttingDown),
        }
    }

    /// The next message in order, once everything it needs is durable; `None` when the one that waited for room has gone on. Never ready
    /// when none waits. Safe to cancel.
    pub(super) async fn next(&mut self, gateway: &Gateway) -> Option<Settled> {
        let Self { producer, waiting, held, .. } = self;
        let freed = tokio::select! {
            biased;
            outcome = outcome(producer, waiting.front()) => return Some(self.pop(outcome)),
            freed = freed(held.as_mut(), gateway) => freed,
        };
        let held = self.held.take().expect("only what is held is freed");
        match (held, freed) {
            (Held::Room(held), Freed::Room(Ok(room))) => match self.producer.append_into(room) {
                Ok(offset) => self.appended(gateway, &held.client, held.accepted, &held.record, offset),
                Err(error) => self.refuse(Refusal::Append(error), held.accepted.token),
            },
            (Held::Room(held), Freed::Room(Err(error))) => {
                self.refuse(Refusal::Append(error), held.accepted.token);
            }
            (Held::Subscriber(held), Freed::Look) => {
                let ForSubscriber { client, submitted, .. } = *held;
                self.place(gateway, &client, submitted);
            }
            (Held::Answers(held), Freed::Answered) => self.answered(gateway, *held),
            (held, _) => self.refuse(Refusal::ShuttingDown, held.into_token()),
        }
        None
    }

    /// The next message in order, however long the way. Never ready when none waits. Safe to cancel.
    pub(super) async fn settled(&mut self, gateway: &Gateway) -> Settled {
        loop {
            if let Some(settled) = self.next(gateway).await {
                return settled;
            }
        }
    }

    /// The next message in order, if everything it needs is durable already.
    pub(super) fn try_next(&mut self) -> Option<Settled> {
        let outcome = match self.waiting.front()? {
            Waiting::Accepted(Accepted { offset: Some(_), .. }) => self.producer.try_next_outcome()?.1,
            _ => Ok(()),
        };
        Some(self.pop(outcome))
    }

    fn pop(&mut self, outcome: Result<(), CommitError>) -> Settled {
        let first = self.waiting.pop().expect("only the message at the front is settled");
        match (first, outcome) {
            (Waiting::Refused(refusal, token), _) => {
                self.refused -= 1;
                Settled::Refused(refusal, token)
            }
            (Waiting::Accepted(accepted), outcome) => {
                self.bytes -= accepted.bytes;
                let is_answered = accepted.token.is_some();
                match outcome {
                    // In the journal it would have failed with the other. Subscribers must not get it before that, either.
                    Ok(()) if self.comes_again && is_answered && accepted.offset.is_none() => {
                        Settled::Refused(Refusal::Closing, accepted.token)
                    }
                    Ok(()) => Settled::Accepted(accepted),
                    Err(error) => {
                        self.comes_again |= is_answered && self.subscriber_wait_max.is_some();
                        Settled::Refused(Refusal::Commit(error), accepted.token)
                    }
                }
            }
        }
    }
}

/// What became of the message at the front.
async fn outcome(producer: &mut Producer, front: Option<&Waiting>) -> Result<(), CommitError> {
    match front {
        None => std::future::pending().await,
        Some(Waiting::Accepted(Accepted { offset: Some(_), .. })) => producer.next_outcome().await.1,
        Some(_) => Ok(()),
    }
}

async fn freed(held: Option<&mut Held>, gateway: &Gateway) -> Freed {
    match held {
        None => std::future::pending().await,
        Some(held) => held.freed(gateway).await,
    }
}

/// One line for each event, with everything that finds it again in other logs, at the target and in the journal.
fn explain(client: &Client, record: &Record, offset: Offset) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    for event in &record.events {
        let targets: Vec<&str> = event.routes.iter().map(|route| route.target.as_str()).collect();
        tracing::debug!(
            client_id = client.client_id(),
            thing = client.thing_name().as_deref(),
            topic = record.topic,
            rule = event.rule,
            event_id = record.event_id(event).as_str(),
            traceparent = record.traceparent,
            offset = offset.0,
            targets = targets.join(", "),
            "event on its way to the journal"
        );
    }
}

/// Copies owed to durable sessions, and the retained message.
fn owe(record: &mut Record, route: &Route<Client>, message: &Message) {
    // What the gateway itself retains is true of this run alone.
    record.retained = message.retain && (record.origin != Origin::Gateway || record.republished > 0);
    record.owed = route
        .owed()
        .map(|owed| Owed {
            session: crate::sessions::address(owed.key, owed.options.shared.as_deref()),
            quality_of_service: owed.options.qos.number(),
            retain: owed.options.retain,
            subscription_ids: owed.options.identifiers,
        })
        .collect();
}

/// The message itself, where something needs more than what the rules made of it: copies, the retained message, and the document for an
/// error action, which holds the payload as it was published.
fn keep_message(record: &mut Record, message: &Message) {
    let may_fail = |event: &bus::Event| {
        event.error_route.is_some() && event.routes.iter().any(|route| !is_view(&route.target))
    };
    if record.retained || !record.owed.is_empty() || record.events.iter().any(may_fail) {
        record.message = Some(bus::Message {
            payload: message.payload.clone(),
            properties: message.properties.as_bytes().clone(),
            quality_of_service: message.qos.number(),
            retain: message.retain,
            expires_at_ms: message.expires_at_ms,
        });
    }
}

/// Views read the journal in place: there is no delivery that could fail.
fn is_view(target: &bus::TargetName) -> bool {
    [targets::queue::KIND, targets::stream::KIND].contains(&target.kind())
}

fn describe(record: &mut Record, client: &Client, publish: &Publish) {
    record.client_id = client.client_id().to_string();
    record.principal = client.thing_name().unwrap_or_else(|| client.principal_name().to_string());
    record.topic = publish.topic.as_str().to_string();
    record.traceparent = traceparent(&publish.properties);
}

/// The W3C trace context that a publisher sent along as a user property.
fn traceparent(properties: &Properties) -> Option<String> {
    let found = properties.user_properties().find(|(name, _)| name.as_str() == "traceparent")?;
    let value = found.1.as_str();
    (value.len() <= 128 && value.is_ascii()).then(|| value.to_string())
}

/// Windows count a publish that was recognised once: what rules made of it this time says where it was before.
fn mark_repeat(gateway: &Gateway, client: &Client, record: &mut Record) {
    if let Some(key) = record.resend
        && let Some(earlier) = gateway.resends.find(client.client_id(), key)
        && earlier.base == record.base
    {
        windows::row::mark_repeat(&mut record.events, earlier.offset);
    }
}

/// A publish that the device sends again gets the id it had. Rules see the id, so it is found before they run.
fn identify(gateway: &Gateway, client: &Client, record: &mut Record, publish: &Publish) {
    let Some(packet_id) = publish.packet_id.filter(|_| publish.qos > Qos::AtMostOnce) else { return };
    let content_digest = content_digest(&publish.topic, &publish.payload);
    let key = ResendKey { packet_id: packet_id.get(), content_digest };
    record.resend = Some(key);
    if publish.dup
        && let Some(Earlier { base, .. }) = gateway.resends.find(client.client_id(), key)
    {
        record.base = base;
        crate::metrics::increment(&gateway.counters.resends_recognised);
        tracing::debug!(client_id = client.client_id(), base = %base, "publish sent again, its events keep their ids");
    }
}

fn remember(gateway: &Gateway, record: &Record, offset: Offset) {
    if let Some(key) = record.resend {
        let earlier = Earlier { base: record.base, offset };
        gateway.resends.remember(&record.client_id, key, earlier, record.accepted_at_ms);
    }
}

impl Refusal {
    /// Whether it is for want of room, so that it is worth trying again.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::SubscriberFull(_) | Self::Append(AppendError::Full { .. }))
    }

    /// The client because of which it is refused; not for the publisher's eyes.
    pub(super) fn subscriber(&self) -> Option<&str> {
        match self {
            Self::SubscriberFull(client_id) => Some(client_id),
            _ => None,
        }
    }

    /// The reason code for the client, a label for metrics, and the whole story for the log.
    pub(super) fn explain(&self) -> (ReasonCode, &'static str, String) {
        match self {
            Self::Denied(told) => (ReasonCode::NotAuthorized, "denied", told.clone()),
            Self::Limit(code, label, text) => (*code, label, text.clone()),
            Self::SubscriberFull(_) => (
                ReasonCode::QuotaExceeded,
                "subscriber_full",
                "the queue of a subscriber is full; try again later".to_string(),
            ),
            Self::Append(error) => (append_code(error), "not_taken", error.to_string()),
            Self::Commit(error) => {
                let code = match error {
                    CommitError::Full { .. } => ReasonCode::QuotaExceeded,
                    CommitError::Failed { .. } | CommitError::Closed => {
                        ReasonCode::ImplementationSpecificError
                    }
                };
                (code, "not_durable", error.to_string())
            }
            Self::Closing => {
                (ReasonCode::QuotaExceeded, "closing", "not taken before the connection closed".to_string())
            }
            // No acknowledgement may carry 0x8B; the DISCONNECT that follows does.
            Self::ShuttingDown => (
                ReasonCode::ImplementationSpecificError,
                "shutting_down",
                "the gateway is shutting down".to_string(),
            ),
        }
    }
}

fn append_code(error: &AppendError) -> ReasonCode {
    match error {
        AppendError::Full { .. } => ReasonCode::QuotaExceeded,
        AppendError::Journal(journal::AppendError::TooLarge { .. }) | AppendError::Encode(_) => {
            ReasonCode::PacketTooLarge
        }
        AppendError::UnknownTarget { .. } | AppendError::Journal(_) => {
            ReasonCode::ImplementationSpecificError
        }
    }
}
