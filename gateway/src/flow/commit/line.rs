//! A queue that holds one entry without memory of its own: mostly there is none or one.

use std::collections::VecDeque;

/// First in, first out. Bounded by the caller.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// Came before all the others.
    first: Option<T>,
    others: VecDeque<T>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { first: None, others: VecDeque::new() }
    }
}

impl<T> Line<T> {
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(super) fn push(&mut self, entry: T) {
        if self.len() == 0 {
            self.first = Some(entry);
        } else {
            self.others.push_back(entry);
        }
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.first.as_ref().or_else(|| self.others.front())
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let popped = self.first.take().or_else(|| self.others.pop_front());
        if self.others.is_empty() && self.others.capacity() > 0 {
            // An idle connection holds no buffer.
            self.others = VecDeque::new();
        }
        popped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_in_the_order_they_came() {
        let mut line = Line::default();
        let (mut next, mut expected) = (0, 0);
        for (pushes, pops) in [(1, 1), (3, 1), (2, 3), (0, 2), (4, 3), (1, 1), (0, 5)] {
            for _ in 0..pushes {
                line.push(next);
                next += 1;
            }
            for _ in 0..pops {
                let front = line.front().copied();
                let popped = line.pop();
                assert_eq!(front, popped);
                if popped.is_some() {
                    assert_eq!(popped, Some(expected));
                    expected += 1;
                }
            }
            assert_eq!(line.len(), next - expected);
        }
        assert_eq!((expected, line.others.capacity()), (next, 0));
    }
}
