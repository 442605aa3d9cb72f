//! What rules publish again: the target of their action `republish`. Through the same steps as a client's publish, without a client: rules,
//! one durable write, subscribers. Delivered once that is durable.
//!
//! Rules see it like any other message, so rules can go round in circles: a message remembers how often it was published again, and is
//! a dead letter beyond `rules.republished_max`.

use super::announce::Announcement;
use super::commit::{Commits, Settled};
use super::evaluate::route::REPUBLISH;
use super::{deliver, evaluate, fan_out};
use crate::gateway::Gateway;
use crate::settings::TargetDelivery;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus::{Delivery, DeliverySettings, Origin, Outcome, Record, Target, TargetName};
use mqtt::{PropertiesBuilder, Property, Publish, Qos, Text};
use rules::definition::TargetKind;
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// Messages that are made durable together.
const BATCH_EVENTS_MAX: usize = 64;
/// How long a batch is handed to the journal, well below the time that a call of a target may take: a call that is cut off would
/// be tried again, and what it had handed over already be published twice. Rules that ask functions take this long.
const SUBMIT_TIME_MAX: Duration = Duration::from_secs(10);
/// Batches at once; messages of one publisher are never in two of them.
const CONCURRENCY_MAX: usize = 8;

/// Publishes what rules made, as the gateway itself.
struct Republisher {
    /// The gateway holds the bus, and that holds this.
    gateway: Weak<Gateway>,
}

/// Makes the target and declares it to the bus. To be done before the journal is trimmed and before the first publish.
///
/// # Errors
/// It can't be declared.
pub(crate) async fn open(gateway: &Arc<Gateway>) -> anyhow::Result<()> {
    let settings = DeliverySettings {
        batch_events_max: BATCH_EVENTS_MAX,
        concurrency_max: CONCURRENCY_MAX,
        // A message may be published again by what it caused itself, whose event still takes its room here.
        takes_handed_on: true,
        ..deliver::delivery(&gateway.settings.raw, &TargetDelivery::default())
    };
    let target = TargetName::new(TargetKind::Republish.key(), REPUBLISH)?;
    let republisher = Arc::new(Republisher { gateway: Arc::downgrade(gateway) });
    Ok(gateway.bus.set_target(target, republisher, settings).await?)
}

#[async_trait]
impl Target for Republisher {
    async fn deliver(&self, batch: &[Delivery]) -> Vec<Outcome> {
        let Some(gateway) = self.gateway.upgrade() else {
            return batch.iter().map(|_| Outcome::retry("CLOSING", "the gateway ends")).collect();
        };
        let mut commits = Commits::new(gateway.bus.producer(), None);
        let deadline = Instant::now() + SUBMIT_TIME_MAX;
        let (mut held_keys, mut outcomes) = (HashSet::new(), Vec::with_capacity(batch.len()));
        for delivery in batch {
            let submitted = match held_keys.contains(delivery.partition_key.as_str()) {
                true => Err(Outcome::retry(
                    "BEHIND_A_RETRY",
                    "an earlier message of its publisher is tried again",
                )),
                false => {
                    submit(
                        &gateway,
                        &mut commits,
                        delivery,
                        Patience { deadline, is_first: outcomes.is_empty() },
                    )
                    .await
                }
            };
            if matches!(submitted, Err(Outcome::Retry { .. })) {
                held_keys.insert(delivery.partition_key.as_str());
            }
            outcomes.push(submitted);
        }
        let mut settled = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            settled.push(match outcome {
                Ok(()) => settle(&gateway, commits.settled(&gateway).await).await,
                Err(outcome) => outcome,
            });
        }
        settled
    }
}

/// Hands the message to the journal, if there is room; what is not taken is known at once.
async fn submit(
    gateway: &Arc<Gateway>,
    commits: &mut Commits,
    delivery: &Delivery,
    patience: Patience,
) -> Result<(), Outcome> {
    let announcement = announcement(gateway, delivery)?;
    if patience.is_over() {
        return Err(slow());
    }
    let record = record(gateway, delivery, &announcement.publish, patience).await?;
    match commits.publish(gateway, &announcement, record).await {
        Ok(()) => Ok(()),
        Err(refusal) => {
            let (_, label, explanation) = refusal.explain();
            Err(Outcome::retry(label.to_uppercase(), explanation))
        }
    }
}

/// What came of a message once everything it needs is durable.
async fn settle(gateway: &Arc<Gateway>, settled: Settled) -> Outcome {
    match settled {
        Settled::Accepted(accepted) => {
            // The store says itself what is wrong.
            let _ = gateway.persist(fan_out::fan_out(gateway, &accepted)).await;
            Outcome::Delivered
        }
        Settled::Refused(refusal, _) => {
            let (_, label, explanation) = refusal.explain();
            Outcome::retry(label.to_uppercase(), explanation)
        }
    }
}

/// The record with what rules make of the message. Its id follows from the event's, so that a repetition after a crash is known as one.
///
/// # Errors
/// The functions that its rules ask take too long for this batch; it is tried again.
async fn record(
    gateway: &Arc<Gateway>,
    delivery: &Delivery,
    publish: &Publish,
    patience: Patience,
) -> Result<Record, Outcome> {
    let mut record = Record::new(Origin::Gateway, gateway.now_ms());
    record.base = base(delivery.id.as_str(), record.base);
    record.republished = delivery.republished.saturating_add(1);
    record.client_id.clone_from(&delivery.client_id);
    record.traceparent.clone_from(&delivery.traceparent);
    let mut evaluated = evaluate::evaluate(gateway, None, publish, record);
    loop {
        let mut inquiry = match evaluated {
            Ok(record) => return Ok(record),
            Err(inquiry) => inquiry,
        };
        tokio::select! {
            biased;
            () = inquiry.answered() => {}
            () = gateway.shutdown.cancelled() => inquiry.give_up("the gateway is shutting down"),
            () = sleep_until(patience.deadline) => match patience.is_first {
                // Nothing was handed over before it, so it would be as slow the next time.
                true => inquiry.give_up("no answer while the message was to be published again"),
                false => return Err(slow()),
            },
        }
        evaluated = inquiry.with_answers(gateway, None, publish);
    }
}

/// How long to wait for what rules ask.
#[derive(Clone, Copy)]
struct Patience {
    deadline: Instant,
    /// Whether it is the first of its batch that is handed over.
    is_first: bool,
}

impl Patience {
    fn is_over(self) -> bool {
        !self.is_first && Instant::now() >= self.deadline
    }
}

fn slow() -> Outcome {
    Outcome::retry(
        "SLOW_RULES",
        "the functions that rules ask were slow, the message goes with the next batch",
    )
}

/// A UUID that depends on the event's id alone, but for its first six bytes, the time, which are those of `near` where the id has none.
fn base(event_id: &str, near: Uuid) -> Uuid {
    let first = event_id.split_once(':').and_then(|(base, _)| Uuid::parse_str(base).ok());
    let mut bytes = xxh3_128(event_id.as_bytes()).to_be_bytes();
    bytes[..6].copy_from_slice(&first.unwrap_or(near).as_bytes()[..6]);
    uuid::Builder::from_bytes(bytes)
        .with_version(uuid::Version::SortRand)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid()
}

/// The message to be published.
fn announcement(gateway: &Gateway, delivery: &Delivery) -> Result<Announcement, Outcome> {
    let most = gateway.settings.raw.rules.republished_max;
    if delivery.republished >= most {
        let reason = format!(
            "rules have published the message again {most} times: they go round in circles, or raise `rules.republished_max`"
        );
        return Err(Outcome::reject("REPUBLISHED_TOO_OFTEN", reason));
    }
    let publish = publish(delivery).map_err(|reason| Outcome::reject("ACTION_PARAMETERS", reason))?;
    let checked = gateway
        .check_publish(&publish.topic, publish.payload.len())
        .and_then(|()| gateway.check_properties(&publish.properties));
    checked.map_err(|(_, label, text)| Outcome::reject(label.to_uppercase(), text))?;
    Ok(Announcement { about: delivery.partition_key.as_str().into(), publish })
}

/// The packet that the action describes.
///
/// # Errors
/// What can't be, which the evaluation let through only if it was another version.
fn publish(delivery: &Delivery) -> Result<Publish, String> {
    let (body, content_type) = delivery.body();
    let mut properties = PropertiesBuilder::new();
    let (mut topic, mut qos, mut retain) = (None, Qos::AtMostOnce, false);
    let mut has_content_type = false;
    for (name, value) in &delivery.parameters {
        let wrong = || format!("`{name}` can't be {value:?}");
        let text = || Text::try_from(value.as_str()).map_err(|_| wrong());
        match name.as_str() {
            "topic" => topic = Some(text()?),
            "qos" => qos = if value == "1" { Qos::AtLeastOnce } else { Qos::AtMostOnce },
            "retain" => retain = value == "true",
            "headers.content_type" => {
                has_content_type = true;
                properties.push(Property::ContentType(text()?));
            }
            "headers.response_topic" => properties.push(Property::ResponseTopic(text()?)),
            "headers.correlation_data" => {
                let data = STANDARD.decode(value).map_err(|_| wrong())?;
                properties.push(Property::CorrelationData(data.into()));
            }
            "headers.message_expiry_secs" => {
                properties.push(Property::MessageExpiryInterval(value.parse().map_err(|_| wrong())?));
            }
            "headers.payload_format_indicator" => {
                properties.push(Property::PayloadFormatIndicator(value == "UTF8_DATA"));
            }
            other => {
                let user = other.strip_prefix("headers.user_properties.").ok_or_else(wrong)?;
                let user = Text::try_from(user).map_err(|_| wrong())?;
                properties.push(Property::UserProperty(user, text()?));
            }
        }
    }
    if !has_content_type && delivery.format == bus::Format::CloudEvents {
        let content_type =
            Text::try_from(content_type).map_err(|_| "the media type is no text".to_string())?;
        properties.push(Property::ContentType(content_type));
    }
    let topic = topic.ok_or("the action has no topic")?;
    let properties = properties.build();
    Ok(Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload: body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bus::{Event, Offset, Route};

    fn delivery(parameters: &[(&str, &str)]) -> Delivery {
        let target = TargetName::parse("republish/broker").unwrap();
        let mut record = Record::new(Origin::Device, 0);
        let parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let routes = vec![Route { parameters, ..Route::to(target.clone()) }];
        record.add(Event { routes, ..Event::json("again", "{}") });
        Delivery::from_record(&record, &target, Offset(1), 0).unwrap()
    }

    #[test]
    fn the_action_says_what_the_packet_is() {
        let publish = publish(&delivery(&[
            ("topic", "again/a"),
            ("qos", "1"),
            ("retain", "true"),
            ("headers.content_type", "text/plain"),
            ("headers.response_topic", "answers/a"),
            ("headers.correlation_data", "AQI="),
            ("headers.message_expiry_secs", "60"),
            ("headers.payload_format_indicator", "UTF8_DATA"),
            ("headers.user_properties.site", "n"),
            ("headers.user_properties.site", "ü"),
        ]))
        .unwrap();
        assert_eq!(
            (publish.topic.as_str(), publish.qos, publish.retain),
            ("again/a", Qos::AtLeastOnce, true)
        );
        let properties = publish.properties;
        assert_eq!(properties.content_type().unwrap().as_str(), "text/plain");
        assert_eq!(properties.response_topic().unwrap().as_str(), "answers/a");
        assert_eq!(properties.correlation_data().unwrap(), &[1u8, 2][..]);
        assert_eq!(properties.message_expiry_secs(), Some(60));
        assert_eq!(properties.payload_is_utf8(), Some(true));
        let user: Vec<String> =
            properties.user_properties().map(|(name, value)| format!("{}={}", &*name, &*value)).collect();
        assert_eq!(user, ["site=n", "site=ü"]);
    }

    #[test]
    fn what_no_packet_can_be_is_refused() {
        for parameters in [
            &[][..],
            &[("topic", "a\0b")],
            &[("topic", "a"), ("headers.correlation_data", "@")],
            &[("topic", "a"), ("headers.message_expiry_secs", "-1")],
            &[("topic", "a"), ("unknown", "x")],
        ] {
            assert!(publish(&delivery(parameters)).is_err(), "{parameters:?}");
        }
    }

    #[test]
    fn the_id_follows_from_that_of_the_event() {
        let first = Uuid::now_v7();
        let of = |rule: &str| base(&format!("{first}:{rule}"), Uuid::nil());
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_ne!(of("a"), first);
        assert_eq!(of("a").get_version_num(), 7);
        assert_eq!(of("a").as_bytes()[..6], first.as_bytes()[..6]);
    }
}
