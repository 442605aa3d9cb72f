//! What the model knows of one client: its session, and the connection it has.

use super::topics;
use broker::Limits;
use mqtt::{Qos, RetainHandling, SubscriptionOptions, Version};
use std::collections::{BTreeMap, BTreeSet};

/// One client identifier.
pub(crate) struct Client {
    pub(crate) id: String,
    /// Connections so far; each has a name of its own on the stage, so one can be taken over.
    pub(crate) connections: usize,
    pub(crate) connection: Option<Connection>,
    pub(crate) session: Option<Session>,
}

/// What lasts as long as a network connection.
pub(crate) struct Connection {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) receive_max: usize,
    pub(crate) packet_bytes_max: usize,
    pub(crate) aliases_max: u16,
    /// Aliases the broker set up.
    pub(crate) aliases: BTreeMap<u16, String>,
    /// Aliases the client set up.
    pub(crate) own_aliases: BTreeMap<u16, String>,
    pub(crate) asked_expiry_secs: u32,
    /// QoS 1 and 2 publishes whose exchange is not over, as the broker counts them.
    pub(crate) unacknowledged: u16,
    /// Identifiers of PUBLISHes that came on this connection and were not acknowledged to the end.
    pub(crate) open: BTreeSet<u16>,
    pub(crate) will: Option<String>,
}

/// What lasts as long as the session.
pub(crate) struct Session {
    /// Different for each session there ever was.
    pub(crate) number: usize,
    pub(crate) expiry_secs: u32,
    /// While it waits for its client.
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    /// Shared filters it ever subscribed to: a copy may come by them later.
    pub(crate) groups: BTreeSet<String>,
    /// Retained messages it still has to get, the subscription made first first.
    pub(crate) feeds: Vec<Feed>,
    /// Exchanges towards the client.
    pub(crate) in_flight: BTreeMap<u16, Flight>,
    /// QoS 2 identifiers of the client that got a PUBREC.
    pub(crate) taken: BTreeSet<u16>,
    /// QoS 2 identifiers of the client whose message waits for the disk, and the connection they came on.
    pub(crate) committing: BTreeMap<u16, String>,
    /// Numbers of the newest message of each stream, for the order.
    pub(crate) newest: BTreeMap<String, u64>,
    /// A will that waits for its delay.
    pub(crate) will: Option<String>,
}

#[derive(Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) options: SubscriptionOptions,
    pub(crate) identifier: u32,
}

pub(crate) struct Feed {
    pub(crate) filter: String,
    pub(crate) options: SubscriptionOptions,
    pub(crate) labels: BTreeSet<String>,
    /// Whether the connection was there all the time, so that nothing of it may be missing in the end.
    pub(crate) is_whole: bool,
}

pub(crate) struct Flight {
    pub(crate) label: String,
    pub(crate) qos: Qos,
    /// PUBREC was sent.
    pub(crate) released: bool,
    /// Whether the broker may give it up, or to another client: it came from the retained messages or by a shared subscription.
    pub(crate) may_go: bool,
}

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        Self { id: format!("c{number}"), connections: 0, connection: None, session: None }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.name == name)
    }
}

impl Session {
    pub(crate) fn new(number: usize, expiry_secs: u32) -> Self {
        Self {
            number,
            expiry_secs,
            expires_at_ms: None,
            subscriptions: BTreeMap::new(),
            groups: BTreeSet::new(),
            feeds: Vec::new(),
            in_flight: BTreeMap::new(),
            taken: BTreeSet::new(),
            committing: BTreeMap::new(),
            newest: BTreeMap::new(),
            will: None,
        }
    }

    /// The session waits for its client from now on.
    pub(crate) fn begin_wait(&mut self, now_ms: u64) {
        if self.expiry_secs != u32::MAX {
            self.expires_at_ms = Some(now_ms + u64::from(self.expiry_secs) * 1_000);
        }
    }

    /// Own subscriptions that match, those aside that do not hear the client itself.
    pub(crate) fn hearing<'a>(
        &'a self,
        topic: &'a str,
        is_own: bool,
    ) -> impl Iterator<Item = &'a Subscription> {
        self.subscriptions
            .iter()
            .filter(move |(filter, held)| {
                !topics::is_shared(filter)
                    && topics::matches(filter, topic)
                    && !(is_own && held.options.no_local)
            })
            .map(|(_, held)| held)
    }
}

/// The code a filter is answered with; the subscription is made when it is a success.
pub(crate) fn grant_code(
    session: &Session,
    filter: &str,
    qos: Qos,
    limits: &Limits,
    subscriptions: usize,
) -> u8 {
    if topics::is_shared(filter) && !limits.shared_subscriptions_available {
        return 0x9E;
    }
    let inner = if topics::is_shared(filter) { &filter[9..] } else { filter };
    if topics::has_wildcard(inner) && !limits.wildcard_subscriptions_available {
        return 0xA2;
    }
    let is_new = !session.subscriptions.contains_key(filter);
    let full = session.subscriptions.len() >= limits.subscriptions_per_session_max
        || subscriptions >= limits.subscriptions_max;
    if is_new && full { 0x97 } else { qos.min(limits.qos_max).number() }
}

/// Whether a SUBSCRIBE is due the retained messages of its filter `[MQTT-3.3.1-9]`.
pub(crate) fn wants_retained(filter: &str, options: SubscriptionOptions, is_new: bool) -> bool {
    !topics::is_shared(filter)
        && match options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        }
}

/// Subscription options from a choice.
pub(crate) fn options(choice: u8) -> SubscriptionOptions {
    SubscriptionOptions {
        qos: Qos::from_number(choice % 3).expect("0 to 2"),
        no_local: choice & 32 != 0,
        retain_as_published: choice & 64 != 0,
        retain_handling: match choice / 8 % 4 {
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => RetainHandling::SendAtSubscribe,
        },
    }
}

/// The options as a scenario has them.
pub(crate) fn option_words(options: SubscriptionOptions) -> String {
    let mut words = options.qos.number().to_string();
    for (is_set, word) in [
        (options.no_local, ",nolocal"),
        (options.retain_as_published, ",rap"),
        (options.retain_handling == RetainHandling::SendIfNew, ",rh1"),
        (options.retain_handling == RetainHandling::DoNotSend, ",rh2"),
    ] {
        words += if is_set { word } else { "" };
    }
    words
}
