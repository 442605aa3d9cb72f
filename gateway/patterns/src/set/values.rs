//! Where the values of one field lead.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::affixes::Affixes;
use super::budget::Budget;
use super::ranges::Ranges;
use super::wildcards::Wildcards;
use super::{NodeId, SetError};
use crate::EventError;
use crate::event::Value;
use crate::number::Number;
use crate::pattern::{Filter, Network, fold};

type Targets = Vec<NodeId>;

/// Filters, each with where a value leads that passes it. What no filter needs takes no room.
#[derive(Debug, Default)]
pub(super) struct Values {
    texts: HashMap<Box<str>, Targets>,
    numbers: HashMap<Number, Targets>,
    /// Of `false`, `true` and `null`.
    words: [Targets; 3],
    anything: Targets,
    further: Option<Box<Further>>,
}

/// What fewer fields need.
#[derive(Debug, Default)]
struct Further {
    folded: HashMap<Box<str>, Targets>,
    affixes: Affixes,
    folded_affixes: Affixes,
    wildcards: Wildcards,
    ranges: Ranges,
    networks: HashMap<Network, Targets>,
    /// The families and lengths of the networks.
    network_lengths: BTreeSet<(bool, u8)>,
    /// What `anything-but` excludes; leads to places in `turned_targets`.
    turned: Values,
    turned_targets: Targets,
}

impl Values {
    /// Whether these may be added.
    ///
    /// # Errors
    /// There are too many wildcards like one of them.
    pub(super) fn check(&self, filters: &[Filter]) -> Result<(), SetError> {
        let Some(further) = &self.further else { return Ok(()) };
        filters.iter().try_for_each(|filter| match filter {
            Filter::Wildcard(wildcard) => further.wildcards.check(wildcard),
            Filter::AnythingBut(filters) => further.turned.check(filters),
            _ => Ok(()),
        })
    }

    pub(super) fn add(&mut self, filter: &Filter, next: NodeId) {
        match filter {
            Filter::Text(text) => self.texts.entry(text.clone()).or_default().push(next),
            Filter::Number(number) => self.numbers.entry(number.clone()).or_default().push(next),
            Filter::False => self.words[0].push(next),
            Filter::True => self.words[1].push(next),
            Filter::Null => self.words[2].push(next),
            Filter::Exists => self.anything.push(next),
            Filter::Absent => {}
            filter => self.further.get_or_insert_default().add(filter, next),
        }
    }

    /// Adds where `value` leads; a place may come twice.
    ///
    /// # Errors
    /// It takes more steps than are left.
    pub(super) fn find(
        &self,
        value: &Value<'_>,
        found: &mut Vec<NodeId>,
        budget: &mut Budget,
    ) -> Result<(), EventError> {
        let before = found.len();
        budget.spend_on(1, value.bytes())?;
        found.extend_from_slice(&self.anything);
        let targets = match value {
            Value::Text(text) => self.texts.get(&**text),
            Value::Number(number) => self.numbers.get(number),
            Value::Bool(value) => Some(&self.words[usize::from(*value)]),
            Value::Null => Some(&self.words[2]),
        };
        found.extend(targets.into_iter().flatten());
        if let Some(further) = &self.further {
            further.find(value, found, budget)?;
        }
        budget.spend(found.len() - before)
    }
}

impl Further {
    fn add(&mut self, filter: &Filter, next: NodeId) {
        match filter {
            Filter::IgnoringCase(text) => self.folded.entry(text.clone()).or_default().push(next),
            Filter::Prefix(text) => self.affixes.add_prefix(text, next),
            Filter::Suffix(text) => self.affixes.add_suffix(text, next),
            Filter::PrefixIgnoringCase(text) => self.folded_affixes.add_prefix(text, next),
            Filter::SuffixIgnoringCase(text) => self.folded_affixes.add_suffix(text, next),
            Filter::Wildcard(wildcard) => self.wildcards.add(wildcard, next),
            Filter::Numeric(range) => self.ranges.add(range, next),
            Filter::Cidr(network) => {
                self.network_lengths.insert((network.is_v6, network.length));
                self.networks.entry(*network).or_default().push(next);
            }
            Filter::AnythingBut(filters) => {
                // As many as there are nodes at most.
                let place = self.turned_targets.len() as NodeId;
                filters.iter().for_each(|filter| self.turned.add(filter, place));
                self.turned_targets.push(next);
            }
            Filter::Text(_) | Filter::Number(_) | Filter::True | Filter::False => {}
            Filter::Null | Filter::Exists | Filter::Absent => {}
        }
    }

    fn find(
        &self,
        value: &Value<'_>,
        found: &mut Vec<NodeId>,
        budget: &mut Budget,
    ) -> Result<(), EventError> {
        match value {
            Value::Text(text) => self.find_text(text, found, budget)?,
            Value::Number(number) => self.ranges.find(number, found),
            Value::Bool(_) | Value::Null => {}
        }
        if !self.turned_targets.is_empty() {
            budget.spend(self.turned_targets.len())?;
            let mut excluded = Vec::new();
            self.turned.find(value, &mut excluded, budget)?;
            excluded.sort_unstable();
            let mut excluded = excluded.into_iter().peekable();
            for (place, next) in (0..).zip(&self.turned_targets) {
                let is_excluded = excluded.next_if_eq(&place).is_some();
                while excluded.next_if_eq(&place).is_some() {}
                if !is_excluded {
                    found.push(*next);
                }
            }
        }
        Ok(())
    }

    fn find_text(&self, text: &str, found: &mut Vec<NodeId>, budget: &mut Budget) -> Result<(), EventError> {
        self.affixes.find(text, found);
        self.wildcards.find(text, found, budget)?;
        if !self.folded.is_empty() || !self.folded_affixes.is_empty() {
            let folded: Cow<'_, str> = fold(text);
            found.extend(self.folded.get(&*folded).into_iter().flatten());
            self.folded_affixes.find(&folded, found);
        }
        if !self.networks.is_empty()
            && let Some(address) = Network::address(text)
        {
            let lengths = self.network_lengths.iter().filter(|(is_v6, _)| *is_v6 == address.is_ipv6());
            for (_, length) in lengths {
                found.extend(self.networks.get(&Network::around(address, *length)).into_iter().flatten());
            }
        }
        Ok(())
    }
}
