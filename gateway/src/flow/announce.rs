//! Messages of the gateway itself: lifecycle events and `$SYS`. Through the same steps as a client's publish, without a client: rules, one
//! durable write when something durable hangs on it, subscribers.
//!
//! Whoever has something to say leaves it in a queue in front of one task and goes on: no connection waits for it. A message of the
//! gateway causes no other.

use super::commit::{Commits, Settled};
use super::evaluate;
use super::fan_out;
use crate::gateway::Gateway;
use crate::metrics::{Lines, increment};
use bus::{Origin, Record};
use mqtt::{Properties, Publish, Qos, Text};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Messages that may wait for the task; beyond that they are dropped and counted. A fleet that comes back at once has room.
const WAITING_MAX: usize = 65_536;
/// Bytes of the messages that wait for the task: clients choose what they subscribe to, and an event names it all.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a message that waits takes beside its texts, at most.
const OVERHEAD_BYTES: usize = 512;
/// Messages that may wait for the disk at once.
const UNDER_WAY_MAX: usize = 1024;
/// Bytes of those.
const UNDER_WAY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A message of the gateway itself.
#[derive(Debug)]
pub(crate) struct Announcement {
    /// The client it is about, which keeps what is said about it in order; empty when it is about none.
    pub(crate) about: Arc<str>,
    pub(crate) publish: Publish,
}

impl Announcement {
    pub(crate) fn new(
        about: &Arc<str>,
        topic: Text,
        payload: impl Into<bytes::Bytes>,
        qos: Qos,
        retain: bool,
    ) -> Self {
        let publish = Publish {
            dup: false,
            qos,
            retain,
            topic,
            packet_id: None,
            properties: Properties::default(),
            payload: payload.into(),
        };
        Self { about: Arc::clone(about), publish }
    }

    fn bytes(&self) -> usize {
        // The client id is shared with its client only as long as that is there.
        OVERHEAD_BYTES + self.about.len() + self.publish.topic.len() + self.publish.payload.len()
    }
}

/// An announcement in the queue, with the room that it takes there.
#[derive(Debug)]
pub(crate) struct Waiting {
    announcement: Announcement,
    _room: OwnedSemaphorePermit,
}

/// Where announcements are left.
#[derive(Debug)]
pub(crate) struct Announcements {
    queue: Sender<Waiting>,
    room_bytes: Arc<Semaphore>,
    lines: Lines,
    dropped: AtomicU64,
    made: AtomicU64,
}

/// The queue and its other end, which [`run`] takes.
pub(crate) fn queue() -> (Announcements, Receiver<Waiting>) {
    let (queue, waiting) = mpsc::channel(WAITING_MAX);
    let announcements = Announcements {
        queue,
        room_bytes: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
        lines: Lines::default(),
        dropped: AtomicU64::new(0),
        made: AtomicU64::new(0),
    };
    (announcements, waiting)
}

impl Announcements {
    /// Leaves a message. Never waits: without room it is dropped, counted and logged.
    pub(crate) fn leave(&self, announcement: Announcement) {
        let bytes = u32::try_from(announcement.bytes()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room_bytes).try_acquire_many_owned(bytes) else {
            return self.drop(
                Some(&announcement.publish.topic),
                "too many bytes of the gateway's own messages wait",
            );
        };
        if let Err(refused) = self.queue.try_send(Waiting { announcement, _room: room }) {
            let topic = refused.into_inner().announcement.publish.topic;
            self.drop(Some(&topic), "too many of the gateway's own messages wait");
        }
    }

    fn drop(&self, topic: Option<&str>, reason: &str) {
        increment(&self.dropped);
        if let Some(left_out) = self.lines.admit() {
            tracing::error!(topic, reason, left_out, "a message of the gateway itself is lost");
        }
    }

    /// Messages that went their way.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// Messages that were lost: the queue was full, or the journal did not take them.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// Sends announcements on their way, several at once; they come out in the order they went in.
pub(crate) struct Announcer {
    gateway: Arc<Gateway>,
    commits: Commits,
}

impl Announcer {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        let commits = Commits::new(gateway.bus.producer(), None);
        Self { gateway, commits }
    }

    /// Sends one on its way. Waits for the disk and for answers that rules need: what a full target does not take is lost, and those behind
    /// go on.
    pub(crate) async fn announce(&mut self, announcement: &Announcement) {
        let record = self.evaluate(&announcement.publish).await;
        self.commits.announce(&self.gateway, announcement, record).await;
        while let Some(settled) = self.commits.try_next() {
            settle(&self.gateway, settled).await;
        }
        while self.commits.len() >= UNDER_WAY_MAX || self.commits.bytes() >= UNDER_WAY_BYTES_MAX {
            self.settle_next().await;
        }
    }

    /// What the rules make of a message. While they wait for answers those behind wait too, and those before go on. A shutdown waits for no
    /// answer.
    async fn evaluate(&mut self, publish: &Publish) -> Record {
        let gateway = Arc::clone(&self.gateway);
        let record = Record::new(Origin::Gateway, gateway.now_ms());
        let mut evaluated = evaluate::evaluate(&gateway, None, publish, record);
        loop {
            let mut inquiry = match evaluated {
                Ok(record) => return record,
                Err(inquiry) => inquiry,
            };
            loop {
                tokio::select! {
                    biased;
                    () = inquiry.answered() => break,
                    () = gateway.shutdown.cancelled() => {
                        inquiry.give_up("the gateway is shutting down");
                        break;
                    }
                    settled = self.commits.settled(&gateway) => settle(&gateway, settled).await,
                }
            }
            evaluated = inquiry.with_answers(&gateway, None, publish);
        }
    }

    /// Hands out the next one whose turn has come. Never ready when none is under way.
    async fn settle_next(&mut self) {
        let settled = self.commits.settled(&self.gateway).await;
        settle(&self.gateway, settled).await;
    }

    /// Waits until nothing is under way.
    pub(crate) async fn finish(&mut self) {
        while self.commits.len() > 0 {
            self.settle_next().await;
        }
    }
}

/// Hands out one whose turn has come.
async fn settle(gateway: &Arc<Gateway>, settled: Settled) {
    let announcements = &gateway.announcements;
    match settled {
        Settled::Accepted(accepted) => {
            increment(&announcements.made);
            // The store says itself what is wrong.
            let _ = gateway.persist(fan_out::fan_out(gateway, &accepted)).await;
        }
        Settled::Refused(refusal, _) => {
            let (_, _, explanation) = refusal.explain();
            announcements.drop(None, &explanation);
        }
    }
}

/// Sends on what is left in the queue, until the gateway has ended: the connections say goodbye before that.
pub(crate) async fn run(gateway: Arc<Gateway>, mut waiting: Receiver<Waiting>) {
    let ended = gateway.ended.clone();
    let mut announcer = Announcer::new(gateway);
    loop {
        tokio::select! {
            biased;
            settled = announcer.commits.settled(&announcer.gateway) => settle(&announcer.gateway, settled).await,
            announcement = waiting.recv() => match announcement {
                Some(waiting) => announcer.announce(&waiting.announcement).await,
                None => break,
            },
            () = ended.cancelled(), if !waiting.is_closed() => waiting.close(),
        }
    }
    announcer.finish().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(announcements: &Announcements, payload: &bytes::Bytes) {
        let topic = Text::try_from("$aws/events/subscriptions/subscribed/kiln").unwrap();
        let announcement =
            Announcement::new(&Arc::from("kiln"), topic, payload.clone(), Qos::AtLeastOnce, false);
        announcements.leave(announcement);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_its_room_comes_back() {
        let (announcements, mut waiting) = queue();
        // One event of a client that subscribes to as much as one packet may ask for.
        let payload = bytes::Bytes::from(vec![b'x'; 393 * 1024]);
        let fitting = (WAITING_BYTES_MAX / (payload.len() + 1024)) as u64;
        for _ in 0..fitting {
            leave(&announcements, &payload);
        }
        assert_eq!(announcements.dropped(), 0);
        for _ in 0..10 {
            leave(&announcements, &payload);
        }
        assert!(announcements.dropped() >= 9, "{} of 10 are lost", announcements.dropped());
        let lost = announcements.dropped();
        let taken = waiting.try_recv().unwrap();
        drop(taken);
        leave(&announcements, &payload);
        assert_eq!(announcements.dropped(), lost, "there is room again");
    }

    #[test]
    fn what_waits_is_bounded_in_number() {
        let (announcements, _waiting) = queue();
        for _ in 0..WAITING_MAX + 3 {
            leave(&announcements, &bytes::Bytes::new());
        }
        assert_eq!(announcements.dropped(), 3);
    }
}
