//! What one device has to send: due messages wait here, in order, until they may be written. Pure.
//!
//! Nothing is skipped silently. A message that becomes due while the device cannot send waits; what exceeds the
//! bound, or still waits at the very end, is counted as not sent with its reason.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::role::{Role, micros, qos};
use crate::generate::Generator;
use crate::scenario::timing::Moments;
use crate::scenario::{Publication, Template, Timing};
use crate::truth::Proof;
use crate::wire::{Publish, Qos};

/// A message with what is needed to write it, and to write it again.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) sequence: u64,
    /// In microseconds since the start.
    pub(crate) due: u64,
    pub(crate) qos: Qos,
    pub(crate) payload: Vec<u8>,
    source: u16,
    /// Where to, if not where its source usually sends.
    topic: Option<Box<str>>,
    /// What a command wants to see again in its answer.
    correlation: Option<Box<[u8]>>,
}

impl Message {
    /// The answer to a command. It has no number: the ledger is about what is published.
    pub(crate) fn answer(
        due: u64,
        qos: Qos,
        topic: Box<str>,
        correlation: Option<Box<[u8]>>,
        payload: Vec<u8>,
    ) -> Self {
        Self { sequence: 0, due, qos, payload, source: u16::MAX, topic: Some(topic), correlation }
    }

    pub(crate) fn is_answer(&self) -> bool {
        self.sequence == 0
    }
}

/// What has become due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) due: u64,
    /// Of those, more than may wait.
    pub(crate) too_many: u64,
}

/// One device's messages before they are on their way.
pub(crate) struct Load {
    sources: Box<[Source]>,
    waiting: VecDeque<Waiting>,
    waiting_max: usize,
    last_sequence: u64,
    stopped: bool,
}

/// A publication of this device.
struct Source {
    publication: Arc<Publication>,
    topic: Box<str>,
    moments: Moments,
    next: Option<Next>,
    generator: Generator,
}

#[derive(Clone, Copy)]
struct Next {
    due: u64,
    qos: Qos,
    row: Option<u32>,
}

struct Waiting {
    sequence: u64,
    source: u16,
    next: Next,
}

impl Load {
    /// The messages of the device at a place of its fleet.
    pub(crate) fn new(role: &Role, place: u32, name: &str) -> Self {
        let source = |publication: &Arc<Publication>| {
            let index = role.index(place);
            let connects_at = role.fleet.connects_at(place);
            let mut moments = Moments::new(publication, &role.run.stages, role.run.seed, index, connects_at);
            Source {
                topic: publication.topic.render(&role.identity(place, name)).into(),
                next: next(&mut moments),
                moments,
                generator: Generator::new(publication, role.run.seed, index, &role.identity(place, name)),
                publication: Arc::clone(publication),
            }
        };
        Self {
            sources: role.fleet.publications.iter().map(source).collect(),
            waiting: VecDeque::new(),
            waiting_max: role.fleet.waiting_messages_max,
            last_sequence: 0,
            stopped: false,
        }
    }

    /// When the next message becomes due by itself.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let of_time = self.sources.iter().filter(|source| !source.saturates());
        of_time.filter_map(|source| source.next).map(|next| next.due).min()
    }

    /// Whether nothing will become due any more.
    pub(crate) fn is_over(&self) -> bool {
        self.sources.iter().all(|source| source.next.is_none())
    }

    /// Nothing more becomes due.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.sources.iter_mut().for_each(|source| source.next = None);
    }

    /// Messages that wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// The number of the latest message, from 1.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Moves what became due by itself to what waits. After `ends`, nothing is due even if this device is late.
    pub(crate) fn collect(&mut self, now: u64, ends: Option<u64>) -> Collected {
        let mut collected = Collected::default();
        while let Some(number) = self.next_source(now) {
            let source = &mut self.sources[usize::from(number)];
            let Some(due) = source.next else { break };
            if ends.is_some_and(|ends| due.due >= ends) {
                source.next = None;
                continue;
            }
            source.next = next(&mut source.moments);
            collected.due += 1;
            self.last_sequence += 1;
            if self.waiting.len() < self.waiting_max {
                self.waiting.push_back(Waiting { sequence: self.last_sequence, source: number, next: due });
            } else {
                collected.too_many += 1;
            }
        }
        collected
    }

    /// The source whose message is due first, if it is due by now.
    fn next_source(&self, now: u64) -> Option<u16> {
        let due = |(number, source): (u16, &Source)| {
            let due = source.next.filter(|next| next.due <= now && !source.saturates())?;
            Some((due.due, number))
        };
        (0..).zip(self.sources.iter()).filter_map(due).min().map(|(_, number)| number)
    }

    /// If fewer than these wait, lets the next message of a saturating source become due; how many did.
    pub(crate) fn refill(&mut self, now: u64, fewer_than: usize) -> u64 {
        if self.waiting.len() >= fewer_than || self.sources.is_empty() {
            return 0;
        }
        // Each source in turn, so that none keeps the others from sending.
        let count = self.sources.len();
        let first = usize::try_from(self.last_sequence % count as u64).unwrap_or_default();
        for step in 0..count {
            let number = (first + step) % count;
            let source = &mut self.sources[number];
            if let Some(moment) = source.next.filter(|next| source.saturates() && next.due <= now) {
                source.next = next(&mut source.moments);
                self.last_sequence += 1;
                let source = u16::try_from(number).expect("a fleet's publications are numbered in 16 bits");
                let next = Next { due: now, ..moment };
                self.waiting.push_back(Waiting { sequence: self.last_sequence, source, next });
                return 1;
            }
        }
        0
    }

    /// The quality of service of the message to be sent next; a saturating source may have to be asked first.
    pub(crate) fn next_qos(&self) -> Option<Qos> {
        self.waiting.front().map(|waiting| waiting.next.qos)
    }

    /// Whether a saturating source has more.
    pub(crate) fn is_saturated(&self) -> bool {
        self.sources.iter().any(|source| source.saturates() && source.next.is_some())
    }

    /// The message to be sent next, made in a buffer.
    pub(crate) fn take(
        &mut self,
        role: &Role,
        place: u32,
        name: &str,
        clock_ahead_ms: i64,
        mut payload: Vec<u8>,
    ) -> Option<Message> {
        let Waiting { sequence, source: number, next } = self.waiting.pop_front()?;
        let source = &mut self.sources[usize::from(number)];
        let proof = Proof {
            run: role.run.number,
            device: role.index(place),
            sequence,
            due_micros: role.run.started_micros + next.due,
        };
        let at = Duration::from_micros(next.due);
        source.generator.next(at, next.row, &role.origin(name, clock_ahead_ms), &proof, &mut payload);
        let topic = source.row_topic(next.row).map(|topic| topic.render(&role.identity(place, name)).into());
        Some(Message {
            sequence,
            due: next.due,
            qos: next.qos,
            payload,
            source: number,
            topic,
            correlation: None,
        })
    }

    /// The number of the message to be sent next.
    pub(crate) fn next_sequence(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.sequence)
    }

    /// Puts the second of those that wait before the first. False if there is none.
    pub(crate) fn swap(&mut self) -> bool {
        let two = self.waiting.len() > 1;
        if two {
            self.waiting.swap(0, 1);
        }
        two
    }

    /// A message as a packet.
    pub(crate) fn publish<'a>(&'a self, message: &'a Message, packet_id: u16, dup: bool) -> Publish<'a> {
        // An answer has no source, but a topic of its own.
        let source = self.sources.get(usize::from(message.source));
        let usual = source.map_or("", |source| &*source.topic);
        Publish {
            topic: message.topic.as_deref().unwrap_or(usual),
            payload: &message.payload,
            qos: message.qos,
            packet_id,
            dup,
            retain: source.is_some_and(|source| source.publication.retain),
            correlation: message.correlation.as_deref(),
            ..Publish::default()
        }
    }
}

impl Source {
    fn saturates(&self) -> bool {
        matches!(self.publication.timing, Timing::Saturate)
    }

    fn row_topic(&self, row: Option<u32>) -> Option<&Template> {
        match &self.publication.timing {
            Timing::Trace(trace) => trace.row(row?)?.topic.as_ref(),
            _ => None,
        }
    }
}

fn next(moments: &mut Moments) -> Option<Next> {
    moments.next().map(|moment| Next { due: micros(moment.at), qos: qos(moment.qos), row: moment.row })
}
