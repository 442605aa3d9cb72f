//! The books of a view that joins: it is told of much that was settled before, and of some that waits.
//!
//! A view settles what it is told of in order, so of the events of one rule those that wait are the last it is told of.
//! What it declines among these is dropped for the reason it gives; about the others the books know already.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use journal::Entry;

use crate::View;
use crate::lane::Lane;
use crate::ledger::{Books, DropReason, Settlement};

/// What a view was told of while it joined.
#[derive(Debug, Default)]
pub(crate) struct Told {
    rules: HashMap<String, OfRule>,
}

#[derive(Debug, Default)]
struct OfRule {
    events: u64,
    /// Which of them were declined, counted from zero: at most as many as wait.
    declined: VecDeque<(u64, DropReason)>,
}

impl Told {
    /// Tells the view of one record.
    pub(crate) fn tell(&mut self, view: &Arc<dyn View>, lane: &Lane, entry: &Entry) {
        let deliveries = crate::reader::deliveries(&entry.payload, &lane.name, entry.offset);
        if deliveries.is_empty() {
            return;
        }
        let mut declined = view.observe(&deliveries).into_iter().peekable();
        let books = lane.books.lock();
        for (index, delivery) in deliveries.iter().enumerate() {
            if !self.rules.contains_key(&delivery.rule) {
                self.rules.insert(delivery.rule.clone(), OfRule::default());
            }
            let Some(rule) = self.rules.get_mut(&delivery.rule) else { continue };
            while let Some((_, reason)) = declined.next_if(|(declined, _)| *declined == index) {
                rule.declined.push_back((rule.events, reason));
            }
            rule.events += 1;
            // More may be counted as waiting while it reads, but that it is told of as well.
            rule.forget_before(rule.events.saturating_sub(books.waiting_of(&delivery.rule)));
        }
    }

    /// Settles everything that waits.
    pub(crate) fn settle(self, books: &mut Books) {
        for (name, mut rule) in self.rules {
            rule.forget_before(rule.events.saturating_sub(books.waiting_of(&name)));
            for (_, reason) in rule.declined {
                books.settle(&name, 0, Settlement::Dropped(reason));
            }
        }
        // The rest, and the bytes of all.
        books.settle_all(Settlement::Delivered);
    }
}

impl OfRule {
    fn forget_before(&mut self, event: u64) {
        while self.declined.front().is_some_and(|(declined, _)| *declined < event) {
            self.declined.pop_front();
        }
    }
}
