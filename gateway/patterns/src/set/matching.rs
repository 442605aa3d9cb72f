//! Takes an event through the nodes of a set.
//!
//! Beside the node it stands at, a walk remembers one object of the event: that of the last value, as far up as the fields to come may share
//! it. The fields of one object stand together in every pattern, so this object is all there is to know for two conditions to hold in the same
//! element of an array; and a node is visited once for each such object. Arrays beside each other add their work and do not multiply it, but
//! patterns and the elements of one array do: each element may lead to every node. That is for whoever sends events to choose, so every step
//! is paid from [`Budget`], and an event that asks for more is given up.

use std::collections::HashSet;

use super::budget::Budget;
use super::paths::PathId;
use super::{Edges, Node, NodeId};
use crate::EventError;
use crate::event::{Document, InstanceId};

struct Walk<'w, 'e> {
    nodes: &'w [Node],
    document: &'w Document<'e>,
    /// The fields that have values, each once.
    fields: Vec<PathId>,
    budget: Budget,
    visited: HashSet<(NodeId, InstanceId)>,
    to_visit: Vec<(NodeId, InstanceId)>,
    /// Where the value at hand leads.
    found: Vec<NodeId>,
}

/// The places of the patterns that match, sorted.
///
/// # Errors
/// It takes too many steps. Nothing is said about any pattern then: which were found first is chance.
pub(super) fn run(nodes: &[Node], document: &Document<'_>) -> Result<Vec<u32>, EventError> {
    let mut walk = Walk {
        nodes,
        document,
        fields: document.fields().collect(),
        budget: Budget::of_an_event(),
        visited: HashSet::new(),
        to_visit: vec![(0, 0)],
        found: Vec::new(),
    };
    let mut complete = Vec::new();
    while let Some((place, instance)) = walk.to_visit.pop() {
        let node = &nodes[place as usize];
        walk.budget.spend(1 + node.complete.len() + node.absent.len())?;
        complete.extend_from_slice(&node.complete);
        walk.leave(node, instance)?;
    }
    complete.sort_unstable();
    complete.dedup();
    Ok(complete)
}

impl Walk<'_, '_> {
    fn leave(&mut self, node: &Node, instance: InstanceId) -> Result<(), EventError> {
        for absence in &node.absent {
            if self.document.facts(absence.path, 0).is_empty() {
                self.go(absence.next, self.document.ancestor(instance, absence.common_depth));
            }
        }
        self.budget.spend(node.fields.len().min(self.fields.len()))?;
        if node.fields.len() <= self.fields.len() {
            return node.fields.iter().try_for_each(|(path, edges)| self.follow(*path, edges, instance));
        }
        for place in 0..self.fields.len() {
            let path = self.fields[place];
            if let Some(edges) = node.fields.get(&path) {
                self.follow(path, edges, instance)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, path: PathId, edges: &Edges, instance: InstanceId) -> Result<(), EventError> {
        let document = self.document;
        for fact in document.facts(path, document.ancestor(instance, edges.common_depth)) {
            let mut found = std::mem::take(&mut self.found);
            edges.values.find(&fact.value, &mut found, &mut self.budget)?;
            found.drain(..).for_each(|next| self.go(next, fact.instance));
            self.found = found;
        }
        Ok(())
    }

    fn go(&mut self, next: NodeId, instance: InstanceId) {
        let instance = self.document.ancestor(instance, self.nodes[next as usize].depth);
        if self.visited.insert((next, instance)) {
            self.to_visit.push((next, instance));
        }
    }
}
