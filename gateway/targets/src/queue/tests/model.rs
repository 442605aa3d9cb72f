//! Random sequences of calls, the window against a model that is too slow and too simple to be wrong.

use std::collections::BTreeMap;

use bus::{Offset, Position};
use proptest::prelude::*;

use super::super::window::{Arrival, Claim, Policy, Receipt, Window};

const RETENTION_MS: u64 = 100_000;
const RECEIVES_MAX: u32 = 3;

#[derive(Debug, Clone)]
enum Step {
    Arrive { delay_ms: u64 },
    Take { count_max: usize, visibility_ms: u64 },
    Delete { which: usize, stale: bool },
    AbortedDelete { which: usize },
    Change { which: usize, visibility_ms: u64 },
    Pass { ms: u64 },
    Move { fails: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..3).prop_map(|delay| Step::Arrive { delay_ms: delay * 500 }),
        4 => (1_usize..5, 0_u64..5_000).prop_map(|(count_max, visibility_ms)| Step::Take { count_max, visibility_ms }),
        2 => (0_usize..50, any::<bool>()).prop_map(|(which, stale)| Step::Delete { which, stale }),
        1 => (0_usize..50).prop_map(|which| Step::AbortedDelete { which }),
        1 => (0_usize..50, 0_u64..5_000).prop_map(|(which, visibility_ms)| Step::Change { which, visibility_ms }),
        3 => (0_u64..4_000).prop_map(|ms| Step::Pass { ms }),
        1 => (60_000_u64..110_000).prop_map(|ms| Step::Pass { ms }),
        1 => any::<bool>().prop_map(|fails| Step::Move { fails }),
    ]
}

#[derive(Debug, Clone)]
struct Message {
    sent_at_ms: u64,
    receives: u32,
    hidden_until_ms: u64,
    moving: bool,
}

#[derive(Default)]
struct Pair {
    window: Window,
    model: BTreeMap<Position, Message>,
    now_ms: u64,
    next: u64,
    arrived: usize,
    left: usize,
    to_move: Vec<Position>,
}

const POLICY: Policy = Policy { retention_ms: RETENTION_MS, receives_max: Some(RECEIVES_MAX) };

impl Pair {
    fn play(&mut self, step: &Step) {
        match *step {
            Step::Arrive { delay_ms } => self.arrive(delay_ms),
            Step::Take { count_max, visibility_ms } => self.take(count_max, visibility_ms),
            Step::Delete { which, stale } => self.delete(which, stale),
            Step::AbortedDelete { which } => {
                if let Some(position) = self.pick(which).filter(|position| !self.model[position].moving) {
                    self.window.begin_delete(position);
                    self.window.abort_delete(position);
                    self.model.get_mut(&position).unwrap().hidden_until_ms = 0;
                }
            }
            Step::Change { which, visibility_ms } => self.change(which, visibility_ms),
            Step::Pass { ms } => self.now_ms += ms,
            Step::Move { fails } => self.finish_moves(fails),
        }
        self.tick();
        self.compare();
    }

    fn pick(&self, which: usize) -> Option<Position> {
        self.model.keys().nth(which % self.model.len().max(1)).copied()
    }

    fn arrive(&mut self, delay_ms: u64) {
        self.next += 1;
        self.arrived += 1;
        let position = Position { offset: Offset(self.next), ordinal: 0 };
        let (sent_at_ms, visible_at_ms) = (self.now_ms, self.now_ms + delay_ms);
        let arrival = Arrival {
            position,
            sent_at_ms,
            visible_at_ms,
            body: None,
            receipt: Receipt::default(),
            group: None,
        };
        self.window.insert(arrival, self.now_ms);
        let message = Message { sent_at_ms, receives: 0, hidden_until_ms: visible_at_ms, moving: false };
        self.model.insert(position, message);
    }

    fn take(&mut self, count_max: usize, visibility_ms: u64) {
        let visible = self.model.values().filter(|each| !each.moving && each.hidden_until_ms <= self.now_ms);
        let receivable = visible.filter(|each| each.receives < RECEIVES_MAX).count();
        let take = self.window.take(count_max, visibility_ms, POLICY, self.now_ms);
        assert_eq!(take.taken.len(), receivable.min(count_max));
        for taken in &take.taken {
            let message = self.model.get_mut(&taken.position).expect("only what is there is handed out");
            assert!(message.hidden_until_ms <= self.now_ms, "handed out twice before its timeout");
            assert!(!message.moving);
            message.receives += 1;
            message.hidden_until_ms = self.now_ms + visibility_ms;
            assert_eq!(taken.receipt.receives, message.receives);
            assert!(message.receives <= RECEIVES_MAX);
        }
        self.begin_moves(take.exhausted);
    }

    fn begin_moves(&mut self, exhausted: Vec<Position>) {
        for position in exhausted {
            let message = self.model.get_mut(&position).expect("only what is there is moved");
            assert!(message.receives >= RECEIVES_MAX);
            message.moving = true;
            self.to_move.push(position);
        }
    }

    fn delete(&mut self, which: usize, stale: bool) {
        let Some(position) = self.pick(which) else { return };
        let message = self.model[&position].clone();
        let receives = message.receives.saturating_sub(u32::from(stale));
        let expected = if message.moving || receives < message.receives { Claim::Stale } else { Claim::Held };
        assert_eq!(self.window.claim(position, receives), expected);
        if expected == Claim::Held {
            self.window.begin_delete(position);
            assert!(self.window.remove(position));
            self.model.remove(&position);
            self.left += 1;
        }
    }

    fn change(&mut self, which: usize, visibility_ms: u64) {
        let Some(position) = self.pick(which) else { return };
        let now_ms = self.now_ms;
        let message = self.model.get_mut(&position).unwrap();
        let hidden = message.receives > 0 && message.hidden_until_ms > now_ms && !message.moving;
        let changed = self.window.change_visibility(position, message.receives, visibility_ms, now_ms);
        assert_eq!(changed.is_ok(), hidden);
        if hidden {
            message.hidden_until_ms = now_ms + visibility_ms;
        }
    }

    fn finish_moves(&mut self, fails: bool) {
        for position in std::mem::take(&mut self.to_move) {
            if fails {
                self.window.retry_move(position, self.now_ms + 1);
            } else if self.window.remove(position) {
                self.model.remove(&position);
                self.left += 1;
            }
        }
    }

    fn tick(&mut self) {
        let tick = self.window.tick(POLICY, self.now_ms);
        for position in &tick.expired {
            let message = self.model.remove(position).expect("only what is there expires");
            assert!(message.sent_at_ms + RETENTION_MS <= self.now_ms);
            self.left += 1;
        }
        self.begin_moves(tick.exhausted);
    }

    fn compare(&self) {
        let held = self.window.held();
        assert_eq!(
            held.ready + held.delayed + held.in_flight + held.leaving,
            self.model.len(),
            "nothing is lost"
        );
        assert_eq!(self.model.len() + self.left, self.arrived);
        let visible =
            self.model.values().filter(|each| !each.moving && each.hidden_until_ms <= self.now_ms).count();
        assert_eq!(held.ready, visible);
        assert_eq!(self.window.first(), self.model.keys().next().copied());
        let old =
            self.model.values().any(|each| !each.moving && each.sent_at_ms + RETENTION_MS <= self.now_ms);
        assert!(!old, "what is too old is gone");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_window_agrees_with_the_model(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.play(step);
        }
    }
}
