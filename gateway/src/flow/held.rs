//! A message there is no room for yet. Its connection goes on with everything else meanwhile; only further publishes wait behind it.
//!
//! It must not know what room is made of: the lanes and the journal's queue say when there is some, the broker is asked again.

use super::commit::Accepted;
use crate::client::Client;
use crate::gateway::Gateway;
use access::Permitted;
use broker::AckToken;
use bus::{AppendError, Prepared, Record, Room};
use mqtt::Publish;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How often the broker is asked again whether a subscriber's queue has room.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A message that waits for room.
pub(super) enum Held {
    /// Its record waits for the lanes of its targets, or for the journal's queue.
    ForRoom(Box<ForRoom>),
    /// The queue of a subscriber is full, and the settings say that publishers wait.
    ForSubscriber(Box<ForSubscriber>),
}

pub(super) struct ForRoom {
    pub(super) client: Client,
    pub(super) accepted: Accepted,
    pub(super) record: Record,
    room: Pin<Box<dyn Future<Output = Result<Room, AppendError>> + Send>>,
}

pub(super) struct ForSubscriber {
    pub(super) client: Client,
    pub(super) publish: Permitted<Publish>,
    pub(super) token: Option<AckToken>,
    /// When it came: its expiry counts from there.
    pub(super) came_ms: u64,
    /// When the publisher has waited long enough.
    pub(super) until: Instant,
    look: Pin<Box<Sleep>>,
}

/// How a wait ended.
pub(super) enum Freed {
    /// There is room, or there will not be any.
    Room(Result<Room, AppendError>),
    /// It is worth looking again.
    Look,
    /// The gateway ends; a shutdown does not wait for a target that is behind.
    ShuttingDown,
}

impl Held {
    pub(super) fn for_room(client: &Client, accepted: Accepted, record: Record, prepared: Prepared) -> Self {
        Self::ForRoom(Box::new(ForRoom {
            client: client.clone(),
            accepted,
            record,
            room: Box::pin(prepared.room()),
        }))
    }

    pub(super) fn for_subscriber(
        client: &Client,
        publish: Permitted<Publish>,
        token: Option<AckToken>,
        came_ms: u64,
        until: Instant,
    ) -> Self {
        let look = Box::pin(tokio::time::sleep(LOOK_INTERVAL));
        Self::ForSubscriber(Box::new(ForSubscriber {
            client: client.clone(),
            publish,
            token,
            came_ms,
            until,
            look,
        }))
    }

    /// For what it waits; a label for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::ForRoom(_) => "target_full",
            Self::ForSubscriber(_) => "subscriber_full",
        }
    }

    /// Waits. Safe to cancel: the wait keeps its place in the line.
    pub(super) async fn freed(&mut self, gateway: &Gateway) -> Freed {
        let wait = async {
            match self {
                Self::ForRoom(held) => Freed::Room(held.room.as_mut().await),
                Self::ForSubscriber(held) => {
                    held.look.as_mut().await;
                    Freed::Look
                }
            }
        };
        tokio::select! {
            biased;
            freed = wait => freed,
            () = gateway.shutdown.cancelled() => Freed::ShuttingDown,
        }
    }

    /// What the message wants an answer by.
    pub(super) fn into_token(self) -> Option<AckToken> {
        match self {
            Self::ForRoom(held) => held.accepted.token,
            Self::ForSubscriber(held) => held.token,
        }
    }
}
