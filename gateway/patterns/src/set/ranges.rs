//! Ranges of numbers: those that hold a number are found in a tree of intervals, made when it is first asked for.

use std::sync::OnceLock;

use super::NodeId;
use crate::number::Number;
use crate::pattern::Range;

#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Sorted by the lower end once there is a tree.
    ranges: Vec<(Range, NodeId)>,
    tree: OnceLock<Tree>,
}

/// A balanced tree over ranges sorted by their lower ends: the middle of a stretch is its root.
#[derive(Debug)]
struct Tree {
    sorted: Vec<(Range, NodeId)>,
    /// For the root of each stretch, the range in it that reaches highest.
    highest: Vec<usize>,
}

impl Ranges {
    pub(super) fn add(&mut self, range: &Range, next: NodeId) {
        self.ranges.push((range.clone(), next));
        self.tree = OnceLock::new();
    }

    pub(super) fn find(&self, number: &Number, found: &mut Vec<NodeId>) {
        if self.ranges.is_empty() {
            return;
        }
        let tree = self.tree.get_or_init(|| Tree::of(self.ranges.clone()));
        let place = (number.clone(), 0);
        let mut stretches = vec![(0, tree.sorted.len())];
        while let Some((start, end)) = stretches.pop() {
            if start == end {
                continue;
            }
            let middle = usize::midpoint(start, end);
            let reaches = |range: &Range| range.upper.as_ref().is_none_or(|upper| *upper >= place);
            if !reaches(&tree.sorted[tree.highest[middle]].0) {
                continue;
            }
            stretches.push((start, middle));
            let (range, next) = &tree.sorted[middle];
            if range.lower.as_ref().is_none_or(|lower| *lower <= place) {
                if reaches(range) {
                    found.push(*next);
                }
                stretches.push((middle + 1, end));
            }
        }
    }
}

impl Tree {
    fn of(mut sorted: Vec<(Range, NodeId)>) -> Self {
        // No lower end comes first.
        sorted.sort_by(|(left, _), (right, _)| left.lower.cmp(&right.lower));
        let mut tree = Self { highest: vec![0; sorted.len()], sorted };
        tree.measure(0, tree.sorted.len());
        tree
    }

    /// Finds what reaches highest in a stretch. Nested as deep as the tree is high.
    fn measure(&mut self, start: usize, end: usize) -> Option<usize> {
        if start == end {
            return None;
        }
        let middle = usize::midpoint(start, end);
        let below = [self.measure(start, middle), self.measure(middle + 1, end)];
        let mut highest = middle;
        for candidate in below.into_iter().flatten() {
            let [left, right] = [candidate, highest].map(|place| &self.sorted[place].0.upper);
            if left.is_none() || right.as_ref().is_some_and(|right| left.as_ref() > Some(right)) {
                highest = candidate;
            }
        }
        self.highest[middle] = highest;
        Some(highest)
    }
}
