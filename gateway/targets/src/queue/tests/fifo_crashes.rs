//! FIFO queues after a shutdown and after `kill -9`: nothing is lost, nothing is taken twice, order stands.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};

use super::*;

const QUEUE: &str = "orders.fifo";

#[tokio::test]
async fn what_was_taken_is_known_after_a_restart_also_when_it_is_deleted() {
    for gracefully in [true, false] {
        let bench = Bench::open(&[(QUEUE, by_body())]).await;
        let original = bench.send_in(QUEUE, "a", None, "one").await.unwrap();
        let waiting = bench.send_in(QUEUE, "a", None, "two").await.unwrap();
        let received = bench.receive_all(QUEUE, 1).await;
        bench.queue(QUEUE).delete(&received[0].handle).await.unwrap();
        bench.send_in(QUEUE, "a", None, "one").await.unwrap();
        let bench = bench.restart(gracefully).await;
        bench.advance_secs(200);
        assert_eq!(bench.send_in(QUEUE, "a", None, "one").await.unwrap(), original);
        assert_eq!(bench.send_in(QUEUE, "a", None, "two").await.unwrap(), waiting);
        bench.until(QUEUE, |queue| queue.held().ready + queue.held().in_flight == 1).await;
        bench.advance_secs(31);
        assert_eq!(in_order(&bench.receive_all(QUEUE, 1).await), ["two"]);
        assert!(bench.receive(QUEUE).await.is_empty());
    }
}

#[tokio::test]
async fn a_restart_with_other_attributes_takes_no_message_for_a_duplicate_that_was_none() {
    let scoped = Attributes { deduplication_scope: DeduplicationScope::MessageGroup, ..by_body() };
    let mut bench = Bench::open(&[(QUEUE, scoped)]).await;
    for group in ["a", "b"] {
        bench.send_in(QUEUE, group, Some("same"), group).await.unwrap();
    }
    bench.settings.declared.insert(QUEUE.to_owned(), by_body());
    let bench = bench.restart(false).await;
    assert_eq!(bodies(&bench.receive_all(QUEUE, 2).await), ["a", "b"]);
}

#[tokio::test]
async fn duplicates_past_the_window_are_never_delivered() {
    let limits = Limits { fifo_ready_messages_max: 4, ..Limits::default() };
    let bench = Bench::open_with(&[(QUEUE, by_body())], limits).await;
    for number in 0..20 {
        for _ in 0..2 {
            bench.send_in(QUEUE, "a", None, &number.to_string()).await.unwrap();
        }
    }
    assert_eq!(bench.queue(QUEUE).held().ready, 20);
    let mut all = Vec::new();
    while all.len() < 20 {
        for message in bench.receive_all(QUEUE, 1).await {
            bench.queue(QUEUE).delete(&message.handle).await.unwrap();
            all.push(message.body.parse::<u64>().unwrap());
        }
    }
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    assert_eq!(bench.queue(QUEUE).counts().waiting(), 0);
    assert_eq!(bench.books(QUEUE), (40, 20, 20));
}

/// What was sent and what came of it, by random schedules of sends, receives, deletes, returned messages, the passing
/// of time and crashes.
struct Schedule {
    bench: Bench,
    random: rand::rngs::StdRng,
    /// Bodies by group in the order in which they were accepted as new, and how far each group was deleted.
    accepted: BTreeMap<String, Vec<String>>,
    deleted: BTreeMap<String, usize>,
    out: Vec<Received>,
    sent_at: BTreeMap<String, u64>,
    sent: u64,
}

impl Schedule {
    async fn open(seed: u64) -> Self {
        Self {
            bench: Bench::open(&[(QUEUE, by_body())]).await,
            random: rand::rngs::StdRng::seed_from_u64(seed),
            accepted: BTreeMap::new(),
            deleted: BTreeMap::new(),
            out: Vec::new(),
            sent_at: BTreeMap::new(),
            sent: 0,
        }
    }

    async fn step(mut self) -> Self {
        match self.random.random_range(0..20) {
            0..=7 => self.send().await,
            8..=11 => self.receive().await,
            12..=15 => self.delete().await,
            16 => {
                if let Some(message) = self.out.pop() {
                    // It may be visible again already.
                    let _ = self.bench.queue(QUEUE).change_visibility(&message.handle, 0);
                }
            }
            17 => self.bench.advance_secs(40),
            18 => self.bench.advance_secs(150),
            _ => {
                let gracefully = self.random.random_bool(0.3);
                self.bench = self.bench.restart(gracefully).await;
            }
        }
        self
    }

    async fn send(&mut self) {
        let group = ["a", "b", "c"][self.random.random_range(0..3)];
        let repeats = self.sent > 0 && self.random.random_bool(0.3);
        let number = if repeats { self.random.random_range(0..self.sent) } else { self.sent };
        self.sent = self.sent.max(number + 1);
        let body = number.to_string();
        self.bench.send_in(QUEUE, group, None, &body).await.unwrap();
        let now_ms = self.bench.now_ms.load(Ordering::SeqCst);
        let is_new = self.sent_at.get(&body).is_none_or(|at_ms| now_ms - at_ms >= 300_000);
        if is_new {
            self.sent_at.insert(body.clone(), now_ms);
            self.accepted.entry(group.to_owned()).or_default().push(body);
        }
    }

    async fn receive(&mut self) {
        for message in self.bench.receive(QUEUE).await {
            let group = message.group.clone().unwrap();
            let deleted = self.deleted.get(&group).copied().unwrap_or_default();
            let left = &self.accepted[&group][deleted..];
            // In order: nothing before it in its group is left, but what this answer held before it.
            let before = self.out.iter().filter(|other| other.group.as_ref() == Some(&group));
            let before: BTreeSet<&str> = before.map(|other| other.body.as_str()).collect();
            let index =
                left.iter().position(|body| *body == message.body).expect("only what was accepted comes");
            assert!(left[..index].iter().all(|body| before.contains(body.as_str())), "{left:?} {message:?}");
            self.out.retain(|other| other.id != message.id);
            self.out.push(message);
        }
    }

    /// Deletes the oldest that is out of one group.
    async fn delete(&mut self) {
        let Some(index) = (!self.out.is_empty()).then(|| self.random.random_range(0..self.out.len())) else {
            return;
        };
        let group = self.out[index].group.clone().unwrap();
        let deleted = self.deleted.entry(group.clone()).or_default();
        let next = self.accepted[&group][*deleted].clone();
        let Some(index) =
            self.out.iter().position(|each| each.group.as_ref() == Some(&group) && each.body == next)
        else {
            return;
        };
        let message = self.out.remove(index);
        self.bench.queue(QUEUE).delete(&message.handle).await.unwrap();
        *deleted += 1;
    }

    /// Takes everything that is left.
    async fn drain(mut self) {
        // Whoever held something has lost it.
        self.out.clear();
        self.bench.advance_secs(31);
        let left = |schedule: &Self| -> usize {
            let left = schedule.accepted.iter().map(|(group, bodies)| {
                bodies.len() - schedule.deleted.get(group).copied().unwrap_or_default()
            });
            left.sum()
        };
        while left(&self) > 0 {
            for message in self.bench.receive_all(QUEUE, 1).await {
                let group = message.group.clone().unwrap();
                let deleted = self.deleted.entry(group.clone()).or_default();
                assert_eq!(self.accepted[&group][*deleted], message.body, "{group} {:?}", self.accepted);
                *deleted += 1;
                self.bench.queue(QUEUE).delete(&message.handle).await.unwrap();
            }
        }
        assert!(self.bench.receive(QUEUE).await.is_empty());
        let new: usize = self.accepted.values().map(Vec::len).sum();
        let (accepted, delivered, deduplicated) = self.bench.books(QUEUE);
        assert_eq!((delivered, accepted), (new as u64, delivered + deduplicated));
    }
}

#[tokio::test]
async fn random_schedules_with_crashes_lose_nothing_take_nothing_twice_and_keep_order() {
    let seeds = match std::env::var("FIFO_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        // More of them: FIFO_SEED, one at a time.
        Err(_) => (0..5).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        println!("FIFO_SEED={seed}");
        let mut schedule = Schedule::open(seed).await;
        for _ in 0..60 {
            schedule = schedule.step().await;
        }
        schedule.drain().await;
    }
}
