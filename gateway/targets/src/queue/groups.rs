//! Who is next in a FIFO queue: message groups, each in order, each blocked while one of its messages is out.
//!
//! A group is open while its oldest message is ready and none of it is in flight or leaving. Open groups stand in line
//! in the order in which they became so, so that a message that fails for ever does not starve the other groups. Knows
//! positions and how they stand; must not know what a message is, nor the time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bus::Position;
use journal::Offset;

/// How a message stands in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be received, once those before it are gone.
    Ready,
    /// It waits for its delay, and those behind it with it.
    Delayed,
    /// It is in flight or leaving: the group is blocked.
    Out,
}

#[derive(Debug, Default)]
struct Group {
    messages: BTreeMap<Position, Standing>,
    /// How many of the messages are out.
    out: usize,
    /// Its place in the line, while it is open.
    turn: Option<u64>,
}

impl Group {
    fn is_open(&self) -> bool {
        self.out == 0
            && self.messages.first_key_value().is_some_and(|(_, standing)| *standing == Standing::Ready)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    line: BTreeMap<u64, Arc<str>>,
    turns: u64,
}

impl Groups {
    /// The name of a group, shared with the messages of it that are here.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        self.groups.get_key_value(name).map_or_else(|| name.into(), |(known, _)| Arc::clone(known))
    }

    /// Takes note of how a message stands now; it may be new.
    pub(super) fn set(&mut self, name: &Arc<str>, position: Position, standing: Standing) {
        let group = self.groups.entry(Arc::clone(name)).or_default();
        let before = group.messages.insert(position, standing);
        group.out += usize::from(standing == Standing::Out);
        group.out -= usize::from(before == Some(Standing::Out));
        self.line_up(name);
    }

    /// Forgets a message.
    pub(super) fn leave(&mut self, name: &Arc<str>, position: Position) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let before = group.messages.remove(&position);
        group.out -= usize::from(before == Some(Standing::Out));
        self.line_up(name);
        if self.groups.get(name).is_some_and(|group| group.messages.is_empty()) {
            self.groups.remove(name);
        }
    }

    /// True when a message may be received.
    pub(super) fn has_open(&self) -> bool {
        !self.line.is_empty()
    }

    /// The messages of the group whose turn it is that may be received together, in order, at most `count_max`. Empty
    /// when no group is open. The group is next until one of them is out.
    pub(super) fn next(&self, count_max: usize) -> Vec<Position> {
        let Some(group) = self.line.values().next().and_then(|name| self.groups.get(name)) else {
            return Vec::new();
        };
        let ready = group.messages.iter().take_while(|(_, standing)| **standing == Standing::Ready);
        ready.take(count_max).map(|(position, _)| *position).collect()
    }

    /// Up to `count_max` messages from before `before` that may leave together: of each open group those in front.
    pub(super) fn open_before(&self, before: Offset, count_max: usize) -> Vec<Position> {
        let groups = self.line.values().filter_map(|name| self.groups.get(name));
        let of_group = |group: &'_ Group| -> Vec<Position> {
            let front = group.messages.iter().take(count_max);
            let ready = front
                .take_while(|(position, standing)| position.offset < before && **standing == Standing::Ready);
            ready.map(|(position, _)| *position).collect()
        };
        groups.flat_map(of_group).take(count_max).collect()
    }

    fn line_up(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        match (group.is_open(), group.turn) {
            (true, None) => {
                self.turns += 1;
                group.turn = Some(self.turns);
                self.line.insert(self.turns, Arc::clone(name));
            }
            (false, Some(turn)) => {
                group.turn = None;
                self.line.remove(&turn);
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { offset: Offset(offset), ordinal: 0 }
    }

    #[test]
    fn a_group_is_blocked_while_one_of_its_messages_is_out_and_goes_to_the_end_of_the_line() {
        let mut groups = Groups::default();
        let (a, b) = (groups.name("a"), groups.name("b"));
        for (name, offset) in [(&a, 1), (&a, 2), (&b, 3), (&a, 4)] {
            groups.set(name, at(offset), Standing::Ready);
        }
        assert_eq!(groups.next(2), [at(1), at(2)]);
        groups.set(&a, at(1), Standing::Out);
        assert_eq!(groups.next(10), [at(3)]);
        groups.set(&a, at(1), Standing::Ready);
        assert_eq!(groups.next(10), [at(3)], "it came back last");
        groups.leave(&b, at(3));
        assert_eq!(groups.next(10), [at(1), at(2), at(4)]);
        groups.leave(&a, at(1));
        groups.set(&a, at(2), Standing::Delayed);
        assert!(!groups.has_open(), "4 waits behind 2");
        groups.leave(&a, at(2));
        groups.leave(&a, at(4));
        assert!(groups.groups.is_empty() && groups.line.is_empty());
    }
}
