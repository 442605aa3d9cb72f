//! Random sequences of calls, the window of a FIFO queue against a model that is too slow and too simple to be wrong.

use std::collections::BTreeMap;

use bus::{Offset, Position};
use proptest::prelude::*;

use super::super::window::{Arrival, Policy, Receipt, Window};

const GROUPS: [&str; 3] = ["a", "b", "c"];
const RECEIVES_MAX: u32 = 4;
const POLICY: Policy = Policy { retention_ms: 60_000, receives_max: Some(RECEIVES_MAX) };

#[derive(Debug, Clone)]
enum Step {
    Arrive { group: usize, delay_ms: u64 },
    Take { count_max: usize, visibility_ms: u64 },
    Delete { which: usize },
    Return { which: usize },
    Pass { ms: u64 },
    Moved { fails: bool },
    BeginMove { count_max: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..GROUPS.len(), prop_oneof![4 => Just(0_u64), 1 => Just(700)])
            .prop_map(|(group, delay_ms)| Step::Arrive { group, delay_ms }),
        4 => (1_usize..6, 0_u64..5_000).prop_map(|(count_max, visibility_ms)| Step::Take { count_max, visibility_ms }),
        3 => (0_usize..50).prop_map(|which| Step::Delete { which }),
        1 => (0_usize..50).prop_map(|which| Step::Return { which }),
        2 => (0_u64..3_000).prop_map(|ms| Step::Pass { ms }),
        1 => (30_000_u64..70_000).prop_map(|ms| Step::Pass { ms }),
        1 => any::<bool>().prop_map(|fails| Step::Moved { fails }),
        1 => (1_usize..4).prop_map(|count_max| Step::BeginMove { count_max }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waits { until_ms: u64 },
    Out { until_ms: u64 },
    Moves,
}

#[derive(Debug, Clone)]
struct Message {
    group: usize,
    sent_at_ms: u64,
    receives: u32,
    state: State,
}

struct Pair {
    window: Window,
    model: BTreeMap<Position, Message>,
    now_ms: u64,
    next: u64,
}

impl Pair {
    fn play(&mut self, step: &Step) {
        match *step {
            Step::Arrive { group, delay_ms } => self.arrive(group, delay_ms),
            Step::Take { count_max, visibility_ms } => self.take(count_max, visibility_ms),
            Step::Delete { which } => {
                if let Some(position) = self.out(which) {
                    self.window.begin_delete(position);
                    assert!(self.window.remove(position));
                    self.model.remove(&position);
                }
            }
            Step::Return { which } => {
                if let Some(position) = self.out(which) {
                    let receives = self.model[&position].receives;
                    assert!(self.window.change_visibility(position, receives, 0, self.now_ms).is_ok());
                    self.model.get_mut(&position).unwrap().state = State::Out { until_ms: self.now_ms };
                }
            }
            Step::Pass { ms } => self.now_ms += ms,
            Step::Moved { fails } => self.moved(fails),
            Step::BeginMove { count_max } => self.begin_move(count_max),
        }
        self.tick();
        self.compare();
    }

    fn arrive(&mut self, group: usize, delay_ms: u64) {
        self.next += 1;
        let position = Position { offset: Offset(self.next), ordinal: 0 };
        let (sent_at_ms, visible_at_ms) = (self.now_ms, self.now_ms + delay_ms);
        let group_name = Some(GROUPS[group].to_owned());
        let receipt = Receipt::default();
        let arrival = Arrival { position, sent_at_ms, visible_at_ms, body: None, receipt, group: group_name };
        self.window.insert(arrival, self.now_ms);
        let state = State::Waits { until_ms: visible_at_ms };
        self.model.insert(position, Message { group, sent_at_ms, receives: 0, state });
    }

    /// What of a group may be received now, in order.
    fn receivable(&self, group: usize) -> Vec<Position> {
        let messages: Vec<_> = self.model.iter().filter(|(_, message)| message.group == group).collect();
        if messages.iter().any(|(_, message)| !matches!(message.state, State::Waits { .. })) {
            return Vec::new();
        }
        let is_ready =
            |message: &Message| matches!(message.state, State::Waits { until_ms } if until_ms <= self.now_ms);
        messages.iter().take_while(|(_, message)| is_ready(message)).map(|(position, _)| **position).collect()
    }

    fn take(&mut self, count_max: usize, visibility_ms: u64) {
        let receivable: Vec<Vec<Position>> = (0..GROUPS.len()).map(|group| self.receivable(group)).collect();
        let take = self.window.take(count_max, visibility_ms, POLICY, self.now_ms);
        let mut by_group: BTreeMap<usize, Vec<Position>> = BTreeMap::new();
        for position in take.taken.iter().map(|taken| taken.position).chain(take.exhausted.iter().copied()) {
            by_group.entry(self.model[&position].group).or_default().push(position);
        }
        for (group, positions) in &by_group {
            assert_eq!(*positions, receivable[*group][..positions.len()], "in order, from the front");
        }
        let exhausted_first = |positions: &Vec<Position>| {
            positions.iter().take_while(|position| self.model[*position].receives < RECEIVES_MAX).count()
        };
        let available: usize = receivable.iter().map(exhausted_first).sum();
        assert_eq!(take.taken.len(), available.min(count_max), "as many as there are");
        for taken in &take.taken {
            let message = self.model.get_mut(&taken.position).unwrap();
            message.receives += 1;
            assert_eq!(taken.receipt.receives, message.receives);
            message.state = State::Out { until_ms: self.now_ms + visibility_ms };
        }
        self.moving(&take.exhausted);
    }

    fn moving(&mut self, positions: &[Position]) {
        for position in positions {
            self.model.get_mut(position).unwrap().state = State::Moves;
        }
    }

    fn begin_move(&mut self, count_max: usize) {
        let receivable: Vec<Vec<Position>> = (0..GROUPS.len()).map(|group| self.receivable(group)).collect();
        let moving = self.window.take_to_move(count_max, Offset(u64::MAX));
        assert_eq!(moving.len(), receivable.iter().map(Vec::len).sum::<usize>().min(count_max));
        for positions in &receivable {
            let chosen: Vec<_> =
                positions.iter().filter(|position| moving.contains(position)).copied().collect();
            assert_eq!(chosen, positions[..chosen.len()], "from the front");
        }
        self.moving(&moving);
    }

    fn out(&self, which: usize) -> Option<Position> {
        let is_out = |message: &Message| matches!(message.state, State::Out { .. });
        let out: Vec<_> = self.model.iter().filter(|(_, message)| is_out(message)).collect();
        out.get(which % out.len().max(1)).map(|(position, _)| **position)
    }

    fn moved(&mut self, fails: bool) {
        let moving: Vec<Position> = self
            .model
            .iter()
            .filter(|(_, message)| message.state == State::Moves)
            .map(|(position, _)| *position)
            .collect();
        for position in moving {
            if fails {
                self.window.abort_move(position);
                self.model.get_mut(&position).unwrap().state = State::Waits { until_ms: self.now_ms };
            } else {
                assert!(self.window.remove(position));
                self.model.remove(&position);
            }
        }
    }

    fn tick(&mut self) {
        let tick = self.window.tick(POLICY, self.now_ms);
        for position in &tick.expired {
            let message = self.model.remove(position).expect("only what is there expires");
            assert!(message.sent_at_ms + POLICY.retention_ms <= self.now_ms);
        }
        for message in self.model.values_mut() {
            if let State::Out { until_ms } = message.state
                && until_ms <= self.now_ms
            {
                message.state = match message.receives >= RECEIVES_MAX {
                    true => State::Moves,
                    false => State::Waits { until_ms },
                };
            }
        }
        for position in tick.exhausted {
            assert_eq!(self.model[&position].state, State::Moves);
        }
    }

    fn compare(&self) {
        let held = self.window.held();
        assert_eq!(held.ready + held.delayed + held.in_flight + held.leaving, self.model.len());
        let receivable = (0..GROUPS.len()).any(|group| !self.receivable(group).is_empty());
        assert_eq!(self.window.has_ready(), receivable);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_window_agrees_with_the_model(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair { window: Window::fifo(), model: BTreeMap::new(), now_ms: 0, next: 0 };
        for step in &steps {
            pair.play(step);
        }
    }
}
