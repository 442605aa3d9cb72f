//! A message there is no room for yet, or whose rules wait for answers. Its connection goes on with everything else meanwhile; only further
//! publishes wait behind it.
//!
//! It must not know what room is made of: the lanes and the journal's queue say when there is some, the broker is asked again.

use super::commit::{Accepted, Submitted};
use super::evaluate::Inquiry;
use crate::client::Client;
use crate::gateway::Gateway;
use broker::AckToken;
use bus::{AppendError, Prepared, Record, Room};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Sleep;

/// How often the broker is asked again whether a subscriber's queue has room.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A message that waits.
pub(super) enum Held {
    /// Its record waits for the lanes of its targets, or for the journal's queue.
    Room(Box<ForRoom>),
    /// The queue of a subscriber is full, and the settings say that publishers wait.
    Subscriber(Box<ForSubscriber>),
    /// Rules wait for what others answer.
    Answers(Box<ForAnswers>),
}

pub(super) struct ForRoom {
    pub(super) client: Client,
    pub(super) accepted: Accepted,
    pub(super) record: Record,
    room: Pin<Box<dyn Future<Output = Result<Room, AppendError>> + Send>>,
}

pub(super) struct ForSubscriber {
    pub(super) client: Client,
    pub(super) submitted: Submitted,
    look: Pin<Box<Sleep>>,
}

pub(super) struct ForAnswers {
    pub(super) client: Client,
    pub(super) submitted: Submitted,
    pub(super) inquiry: Box<Inquiry>,
}

/// How a wait ended.
pub(super) enum Freed {
    /// There is room, or there will not be any.
    Room(Result<Room, AppendError>),
    /// It is worth looking again.
    Look,
    /// The answers are there.
    Answered,
    /// The gateway ends; a shutdown does not wait for a target that is behind.
    ShuttingDown,
}

impl Held {
    pub(super) fn for_room(client: &Client, accepted: Accepted, record: Record, prepared: Prepared) -> Self {
        Self::Room(Box::new(ForRoom {
            client: client.clone(),
            accepted,
            record,
            room: Box::pin(prepared.room()),
        }))
    }

    pub(super) fn for_subscriber(client: &Client, submitted: Submitted) -> Self {
        let look = Box::pin(tokio::time::sleep(LOOK_INTERVAL));
        Self::Subscriber(Box::new(ForSubscriber { client: client.clone(), submitted, look }))
    }

    pub(super) fn for_answers(client: &Client, submitted: Submitted, inquiry: Box<Inquiry>) -> Self {
        Self::Answers(Box::new(ForAnswers { client: client.clone(), submitted, inquiry }))
    }

    /// For what it waits; a label for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Room(_) => "target_full",
            Self::Subscriber(_) => "subscriber_full",
            Self::Answers(_) => "function",
        }
    }

    /// Waits. Safe to cancel: the wait keeps its place in the line.
    pub(super) async fn freed(&mut self, gateway: &Gateway) -> Freed {
        let wait = async {
            match self {
                Self::Room(held) => Freed::Room(held.room.as_mut().await),
                Self::Subscriber(held) => {
                    held.look.as_mut().await;
                    Freed::Look
                }
                Self::Answers(held) => {
                    held.inquiry.answered().await;
                    Freed::Answered
                }
            }
        };
        tokio::select! {
            biased;
            freed = wait => freed,
            () = gateway.shutdown.cancelled() => Freed::ShuttingDown,
        }
    }

    /// Whether somebody waits for an answer.
    pub(super) fn wants_an_answer(&self) -> bool {
        match self {
            Self::Room(held) => held.accepted.token.is_some(),
            Self::Subscriber(held) => held.submitted.token.is_some(),
            Self::Answers(held) => held.submitted.token.is_some(),
        }
    }

    /// What the message wants an answer by.
    pub(super) fn into_token(self) -> Option<AckToken> {
        match self {
            Self::Room(held) => held.accepted.token,
            Self::Subscriber(held) => held.submitted.token,
            Self::Answers(held) => held.submitted.token,
        }
    }
}
