//! Many patterns as one structure, so that an event is not compared with each of them.
//!
//! The fields of each alternative of a pattern, in a fixed order, are a path through a tree of [`Node`]s: patterns that begin alike share it.
//! From a node lead, for each field, the values that go on to other nodes, and those are looked up (`values.rs`): exact values by hash,
//! prefixes and suffixes in sorted keys, ranges in a tree of intervals, wildcards by three bytes that they need. An event visits only nodes
//! whose conditions it meets (`matching.rs`), so the cost follows what matches, not what is there. Where nearly everything matches
//! (`anything-but`, wide ranges), so does the cost, and an array has it once for each element; so it is bounded (`budget.rs`).

mod affixes;
mod budget;
mod matching;
pub(crate) mod paths;
mod ranges;
#[cfg(test)]
mod tests;
mod values;
mod wildcards;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::event::Document;
use crate::pattern::{Conjunction, Field, Filter};
use crate::{EventError, Pattern};
pub use budget::STEPS_MAX;
use paths::{PathId, PathTree};
use values::Values;

/// The most fields of all patterns of a set together, `$or` multiplied out.
pub const SET_CONDITIONS_MAX: usize = 1_000_000;

/// The most wildcards of one field that a value may have to be compared with one by one.
pub const WILDCARDS_TOGETHER_MAX: usize = 256;

/// Why a pattern can't join a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Its wildcard can't be told from many others quickly.
    #[error(
        "wildcard `{wildcard}` is too much like {WILDCARDS_TOGETHER_MAX} others of the same field; begin it with a text of its own, or use `prefix` or `suffix`"
    )]
    Wildcards {
        /// The wildcard.
        wildcard: String,
    },
    /// The set is full.
    #[error(
        "patterns have more than {SET_CONDITIONS_MAX} fields together; remove some, or shorten their `$or`s"
    )]
    Full,
}

/// What a node is found by.
type NodeId = u32;

/// What holds so far, and what may be asked next.
#[derive(Debug, Default)]
struct Node {
    /// The field that was asked last.
    last: Option<PathId>,
    /// The patterns that match here, by their places in the set.
    complete: Vec<u32>,
    fields: HashMap<PathId, Edges>,
    /// Fields that must have no value.
    absent: Vec<Absence>,
    /// How deep the object lies that the fields to come have in common with the last at most.
    depth: u32,
}

/// Where one field leads from a node.
#[derive(Debug, Default)]
struct Edges {
    /// How deep the object lies that the field has in common with the last.
    common_depth: u32,
    /// By all that the field may be.
    groups: HashMap<Arc<[Filter]>, NodeId>,
    values: Values,
}

#[derive(Debug)]
struct Absence {
    path: PathId,
    common_depth: u32,
    next: NodeId,
}

/// Patterns by the ids that their owner knows them by.
#[derive(Debug)]
pub struct PatternSet<Id> {
    paths: PathTree,
    nodes: Vec<Node>,
    /// In the order in which they were added; `None` is one that was removed.
    entries: Vec<Option<(Id, Pattern)>>,
    places: HashMap<Id, u32>,
    conditions: usize,
}

impl<Id> Default for PatternSet<Id> {
    fn default() -> Self {
        Self {
            paths: PathTree::default(),
            nodes: vec![Node::default()],
            entries: Vec::new(),
            places: HashMap::new(),
            conditions: 0,
        }
    }
}

impl<Id: Clone + Eq + Hash> PatternSet<Id> {
    /// A set without patterns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many patterns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds a pattern, in place of the one with the same id if there is one. Takes time in proportion to the pattern.
    ///
    /// # Errors
    /// The pattern would make matching slow or the set too large; it is not in the set then, under this id nor another.
    pub fn add(&mut self, id: Id, pattern: &Pattern) -> Result<(), SetError> {
        if self.conditions + conditions(pattern) > SET_CONDITIONS_MAX {
            return Err(SetError::Full);
        }
        self.remove(&id);
        pattern.alternatives.iter().try_for_each(|fields| self.check(fields))?;
        self.put(id, pattern);
        Ok(())
    }

    fn put(&mut self, id: Id, pattern: &Pattern) {
        let nodes: Vec<NodeId> = pattern.alternatives.iter().map(|fields| self.insert(fields)).collect();
        // Every pattern has a condition at least, and those are bounded.
        let place = self.entries.len() as u32;
        for node in nodes {
            self.nodes[node as usize].complete.push(place);
        }
        self.entries.push(Some((id.clone(), pattern.clone())));
        self.places.insert(id, place);
        self.conditions += conditions(pattern);
    }

    /// Removes a pattern, and says whether it was there. Now and then the set is built anew, after as many removals as it has patterns.
    pub fn remove(&mut self, id: &Id) -> bool {
        let Some(place) = self.places.remove(id) else { return false };
        let removed = self.entries[place as usize].take();
        for fields in removed.iter().flat_map(|(_, pattern)| pattern.alternatives.iter()) {
            if let Some(node) = self.find(fields) {
                self.nodes[node as usize].complete.retain(|complete| *complete != place);
            }
        }
        self.conditions -= removed.map_or(0, |(_, pattern)| conditions(&pattern));
        if self.entries.len() > 2 * self.places.len() + 16 {
            self.rebuild();
        }
        true
    }

    fn rebuild(&mut self) {
        let entries = std::mem::take(self).entries;
        entries.into_iter().flatten().for_each(|(id, pattern)| self.put(id, &pattern));
    }

    /// The ids of the patterns that an event, a JSON object, matches, in the order in which they were added.
    ///
    /// # Errors
    /// The event can't be read, or it takes more than [`STEPS_MAX`] steps: then nothing is known about any of the patterns.
    pub fn matches(&self, event: &str) -> Result<Vec<&Id>, EventError> {
        let document = Document::read(event, &self.paths)?;
        let places = matching::run(&self.nodes, &document)?;
        Ok(places
            .into_iter()
            .filter_map(|place| self.entries[place as usize].as_ref())
            .map(|(id, _)| id)
            .collect())
    }

    /// Whether these fields can be added without making matching slow.
    fn check(&self, fields: &Conjunction) -> Result<(), SetError> {
        let mut node = Some(0);
        for field in fields {
            // Behind the last node that is there, nothing is shared.
            let Some(there) = node else { return Ok(()) };
            let edges = self.edges(there, field);
            node = edges.and_then(|edges| edges.groups.get(&field.filters)).copied();
            if let (Some(edges), None) = (edges, node) {
                edges.values.check(&field.filters)?;
            }
        }
        Ok(())
    }

    /// The node where these fields all hold; makes those that are missing.
    fn insert(&mut self, fields: &Conjunction) -> NodeId {
        fields.iter().fold(0, |node, field| self.step(node, field))
    }

    fn step(&mut self, node: NodeId, field: &Field) -> NodeId {
        let path = self.paths.field(&field.path);
        // As many nodes as conditions at most, and those are bounded; what was removed is built away.
        let next = self.nodes.len() as NodeId;
        let from = &mut self.nodes[node as usize];
        let common_depth = from.last.map_or(0, |last| self.paths.common_depth(last, path));
        let edges = from.fields.entry(path).or_insert_with(|| Edges { common_depth, ..Edges::default() });
        if let Some(next) = edges.groups.get(&field.filters) {
            return *next;
        }
        field.filters.iter().for_each(|filter| edges.values.add(filter, next));
        edges.groups.insert(Arc::clone(&field.filters), next);
        if field.filters.contains(&Filter::Absent) {
            from.absent.push(Absence { path, common_depth, next });
        }
        from.depth = from.depth.max(common_depth);
        self.nodes.push(Node { last: Some(path), ..Node::default() });
        next
    }

    fn edges(&self, node: NodeId, field: &Field) -> Option<&Edges> {
        let path = field.path.iter().try_fold(paths::ROOT, |place, name| self.paths.child(place, name))?;
        self.nodes[node as usize].fields.get(&path)
    }

    /// The node where these fields all hold, if there is one.
    fn find(&self, fields: &Conjunction) -> Option<NodeId> {
        fields.iter().try_fold(0, |node, field| self.edges(node, field)?.groups.get(&field.filters).copied())
    }
}

fn conditions(pattern: &Pattern) -> usize {
    pattern.alternatives.iter().map(Vec::len).sum()
}
