//! The running gateway: everything that the steps of the flow share.

use crate::attempts::Attempts;
use crate::client::Client;
use crate::connect_rate::ConnectRate;
use crate::connection::Traffic;
use crate::connections::Connections;
use crate::flow::announce::Announcements;
use crate::flow::archive::ArchiveRoutes;
use crate::flow::outside::Functions;
use crate::lifecycle::Versions;
use crate::metrics::Counters;
use crate::resends::Resends;
use crate::sessions::{SessionStore, StoreFailed};
use crate::settings::Settings;
use crate::traces::Traces;
use access::{Principal, User};
use broker::{Broker, Change};
use bus::Bus;
use journal::state::StateStore;
use journal::{Clock, Journal};
use mqtt::{Properties, ReasonCode};
use registry::definitions::Definitions;
use registry::{Registry, UserRefused};
use std::sync::{Arc, OnceLock};
use targets::archive::Archives;
use targets::archive::replay::Replays;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use windows::Windows;

/// Bytes of a PUBLISH beside its payload: fixed header, topic, packet identifier and properties.
const PACKET_OVERHEAD_BYTES: usize = 64 * 1024 + 16;

/// Publishes by HTTP request that wait for the disk at once; more are refused. Each holds a payload.
pub(crate) const HTTP_PUBLISHES_MAX: usize = 256;

/// What every connection works with. Shared by reference counting; nothing in it waits with a lock held.
pub(crate) struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) broker: Broker<Client>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) journal: Journal,
    pub(crate) bus: Bus,
    /// The small state, to be asked for its health.
    pub(crate) state: StateStore,
    pub(crate) sessions: SessionStore,
    pub(crate) connections: Connections,
    pub(crate) counters: Counters,
    /// Who follows rules.
    pub(crate) traces: Arc<Traces>,
    pub(crate) traffic: Arc<Traffic>,
    /// Where messages of the gateway itself are left.
    pub(crate) announcements: Announcements,
    /// Version numbers of lifecycle events.
    pub(crate) versions: Versions,
    pub(crate) resends: Resends,
    /// Failures of clients that said to be users.
    pub(crate) attempts: Attempts,
    /// Passwords that may be hashed at once.
    pub(crate) password_checks: Arc<Semaphore>,
    pub(crate) connect_rate: ConnectRate,
    /// Listeners, for their numbers.
    pub(crate) listeners: parking_lot::RwLock<Vec<listener::Handle>>,
    /// What rules call with `aws_lambda`.
    pub(crate) functions: Functions,
    /// Which events are archived.
    pub(crate) archive_routes: ArchiveRoutes,
    /// Archives and replays, once they are opened.
    pub(crate) archives: OnceLock<(Archives, Replays)>,
    /// The windows of rules, once they are taken up.
    pub(crate) windows: OnceLock<Arc<Windows>>,
    /// Places for publishes by HTTP request that wait for the disk.
    pub(crate) http_publishes: Arc<Semaphore>,
    /// Cancelled when only a new start of the process can mend what is wrong.
    pub(crate) ruined: CancellationToken,
    /// Cancelled when no new work is to be taken.
    pub(crate) shutdown: CancellationToken,
    /// Cancelled when everything else has ended: the API and the control socket go last.
    pub(crate) ended: CancellationToken,
    /// The tasks of the connections.
    pub(crate) connection_tasks: TaskTracker,
}

impl Gateway {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The largest packet that is read.
    pub(crate) fn packet_bytes_max(&self) -> usize {
        packet_bytes_max(&self.settings)
    }

    /// Makes changes of durable sessions durable.
    ///
    /// # Errors
    /// When they can't be stored: what they promise must not be sent.
    pub(crate) async fn persist(&self, changes: Vec<Change>) -> Result<(), StoreFailed> {
        if changes.is_empty() {
            return Ok(());
        }
        self.sessions.persist(changes).await
    }

    /// Whether topic and payload of a publish or a will are within the limits; if not, the code, a label for metrics, and what is wrong.
    pub(crate) fn check_publish(
        &self,
        topic: &str,
        payload_bytes: usize,
    ) -> Result<(), (ReasonCode, &'static str, String)> {
        if let Some(reserved) = reserved_level(topic) {
            let text = format!("topics below `{reserved}` are the server's own");
            return Err((ReasonCode::NotAuthorized, "reserved_topic", text));
        }
        let mqtt = &self.settings.raw.mqtt;
        if payload_bytes > mqtt.payload_bytes_max {
            let text =
                format!("the payload has {payload_bytes} bytes, the limit is {}", mqtt.payload_bytes_max);
            return Err((ReasonCode::PacketTooLarge, "payload_too_large", text));
        }
        // The way to a rule is no part of the topic that the rule sees.
        let topic = rules::basic_ingest(topic).map_or(topic, |ingest| ingest.rest);
        if topic.len() > mqtt.topic_bytes_max {
            let text = format!("the topic has {} bytes, the limit is {}", topic.len(), mqtt.topic_bytes_max);
            return Err((ReasonCode::TopicNameInvalid, "topic", text));
        }
        let levels = topic.bytes().filter(|byte| *byte == b'/').count() + 1;
        if levels > mqtt.topic_levels_max {
            let text = format!("the topic has {levels} levels, the limit is {}", mqtt.topic_levels_max);
            return Err((ReasonCode::TopicNameInvalid, "topic", text));
        }
        Ok(())
    }

    /// Whether the properties of a publish or a will are within the limits; if not, the code, a label for metrics, and what is wrong.
    pub(crate) fn check_properties(
        &self,
        properties: &Properties,
    ) -> Result<(), (ReasonCode, &'static str, String)> {
        if properties.is_empty() {
            return Ok(());
        }
        let mqtt = &self.settings.raw.mqtt;
        let bytes = properties.len_bytes();
        let refuse = |text| Err((ReasonCode::QuotaExceeded, "properties", text));
        if bytes > mqtt.properties_bytes_max {
            let bytes_max = mqtt.properties_bytes_max;
            return refuse(format!("the properties have {bytes} bytes, the limit is {bytes_max}"));
        }
        let count = properties.user_properties().count();
        if count > mqtt.user_properties_max {
            let count_max = mqtt.user_properties_max;
            return refuse(format!("there are {count} user properties, the limit is {count_max}"));
        }
        Ok(())
    }

    /// Whether a client that was let in would be let in now; then its permissions are those of now.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn still_admitted(&self, client: &Client) -> Result<(), String> {
        if client.is_cut() {
            return Err("it was cut off".to_string());
        }
        let identity = client.identity();
        let user = identity.user();
        let principal = if !identity.certificate().is_absent() {
            let admitted = self.registry.authenticate(identity.certificate(), self.now_ms());
            let principal = admitted.map_err(|refused| refused.to_string())?;
            self.with_second_factor(principal, user).map_err(|refused| refused.to_string())?
        } else if let Some(user) = user {
            self.registry.authenticate_user(user).map_err(|refused| refused.to_string())?
        } else {
            self.plain_principal().ok_or_else(|| "its policy is gone".to_string())?
        };
        identity.refresh(&principal);
        Ok(())
    }

    /// A principal with a certificate that proved to be a user as well: the user must be in order, and adds nothing.
    ///
    /// # Errors
    /// Why the user is not in order.
    pub(crate) fn with_second_factor(
        &self,
        principal: Principal,
        user: Option<&Arc<User>>,
    ) -> Result<Principal, UserRefused> {
        user.map_or(Ok(()), |user| self.registry.check_user(user).map(drop))?;
        Ok(Principal { user: user.cloned(), ..principal })
    }

    /// Who a client without a certificate is, if such clients are served.
    pub(crate) fn plain_principal(&self) -> Option<Principal> {
        let name = self.settings.raw.listener.plain_policy.as_deref()?;
        self.registry.without_certificate(name)
    }
}

/// The first level of a topic that the server keeps for itself (section 4.7.2). Clients get no further than Basic Ingest; what other
/// topics that begin with `$` mean is theirs to say.
fn reserved_level(topic: &str) -> Option<&'static str> {
    const RESERVED: [&str; 3] = ["$SYS", "$aws", "$share"];
    let first = topic.split('/').next().filter(|_| topic.starts_with('$'))?;
    RESERVED.into_iter().find(|level| *level == first && rules::basic_ingest(topic).is_none())
}

/// The largest packet that is read with these settings.
pub(crate) fn packet_bytes_max(settings: &Settings) -> usize {
    settings.raw.mqtt.payload_bytes_max + PACKET_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::reserved_level;

    #[test]
    fn the_server_keeps_some_topics_for_itself() {
        let cases = [
            ("$SYS/broker/uptime", Some("$SYS")),
            ("$SYS", Some("$SYS")),
            ("$aws/events/presence/connected/kiln", Some("$aws")),
            ("$aws/things/kiln/shadow/update", Some("$aws")),
            ("$aws/rules", Some("$aws")),
            ("$aws/rules/", Some("$aws")),
            ("$share/group/plant", Some("$share")),
            ("$aws/rules/readings", None),
            ("$aws/rules/readings/plant/kiln", None),
            ("$TopicA/B", None),
            ("$sys/broker", None),
            ("$SYSTEM/state", None),
            ("$awss", None),
            ("$", None),
            ("plant/$SYS", None),
            ("/$aws/events", None),
            ("", None),
        ];
        for (topic, expected) in cases {
            assert_eq!(reserved_level(topic), expected, "{topic}");
        }
    }
}
