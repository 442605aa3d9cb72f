//! Takes an event through the nodes of a set.
//!
//! Beside the node it stands at, a walk remembers one object of the event: that of the last value, as far up as the fields to come may share
//! it. The fields of one object stand together in every pattern, so this object is all there is to know for two conditions to hold in the same
//! element of an array; and a node is visited once for each such object, so the work is bounded by nodes and values, never by their
//! combinations.

use std::collections::HashSet;

use super::paths::PathId;
use super::{Edges, Node, NodeId};
use crate::event::{Document, InstanceId};

struct Walk<'w, 'e> {
    nodes: &'w [Node],
    document: &'w Document<'e>,
    visited: HashSet<(NodeId, InstanceId)>,
    to_visit: Vec<(NodeId, InstanceId)>,
    /// Where the value at hand leads.
    found: Vec<NodeId>,
}

/// The places of the patterns that match, sorted.
pub(super) fn run(nodes: &[Node], document: &Document<'_>) -> Vec<u32> {
    let (visited, found) = (HashSet::new(), Vec::new());
    let mut walk = Walk { nodes, document, visited, to_visit: vec![(0, 0)], found };
    let mut complete = Vec::new();
    while let Some((node, instance)) = walk.to_visit.pop() {
        complete.extend_from_slice(&nodes[node as usize].complete);
        walk.leave(&nodes[node as usize], instance);
    }
    complete.sort_unstable();
    complete.dedup();
    complete
}

impl Walk<'_, '_> {
    fn leave(&mut self, node: &Node, instance: InstanceId) {
        for absence in &node.absent {
            if self.document.facts(absence.path, 0).is_empty() {
                self.go(absence.next, self.document.ancestor(instance, absence.common_depth));
            }
        }
        let document = self.document;
        let fields = document.fields();
        if node.fields.len() < 8 {
            for (path, edges) in &node.fields {
                self.follow(*path, edges, instance);
            }
        } else {
            for path in fields {
                if let Some(edges) = node.fields.get(&path) {
                    self.follow(path, edges, instance);
                }
            }
        }
    }

    fn follow(&mut self, path: PathId, edges: &Edges, instance: InstanceId) {
        let document = self.document;
        for fact in document.facts(path, document.ancestor(instance, edges.common_depth)) {
            let mut found = std::mem::take(&mut self.found);
            edges.values.find(&fact.value, &mut found);
            found.drain(..).for_each(|next| self.go(next, fact.instance));
            self.found = found;
        }
    }

    fn go(&mut self, next: NodeId, instance: InstanceId) {
        let instance = self.document.ancestor(instance, self.nodes[next as usize].depth);
        if self.visited.insert((next, instance)) {
            self.to_visit.push((next, instance));
        }
    }
}
