//! What must be true.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::schedule::{TARGETS, VIEW};
use super::world::{Fate, World};
use crate::stats::ServingState;
use crate::tests::until;
use crate::{DeadLetterFilter, DropReason, EventId, LedgerRow, Offset, ReadError};

impl World {
    /// Right after an opening, before anybody is served: nothing moves, so everything is exact.
    pub(super) async fn check_reopened(&self) {
        self.check_rows();
        assert_eq!(self.bus.audit().await, []);
        let mut durable: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for sent in &self.sent {
            for (target, id) in &sent.events {
                let rule = if id.as_str().contains(":hot") { "hot" } else { "cold" };
                let (least, most) = durable.entry((TARGETS[*target], rule)).or_default();
                *least += u64::from(sent.fate == Fate::Durable);
                *most += u64::from(sent.fate != Fate::Lost);
            }
        }
        let rows = self.bus.ledger();
        for ((target, rule), (least, most)) in durable {
            let row = rows.iter().find(|row| row.target == target && row.rule == rule);
            let accepted = row.map_or(0, |row| row.counts.accepted - row.counts.redriven);
            assert!(
                (least..=most).contains(&accepted),
                "{target} {rule}: {accepted} accepted by the ledger, {least} to {most} by the model"
            );
        }
        // Where a removal goes on, letters are being written.
        let is_removing = self.bus.stats().lanes.iter().any(|lane| lane.serving == ServingState::Removed);
        self.check_letters(|booked, written| booked == written || is_removing && booked <= written);
        self.check_floor();
    }

    /// While things happen.
    pub(super) async fn check_books(&self) {
        until("all is counted", || self.all_is_counted()).await;
        self.check_rows();
        assert_eq!(self.bus.audit().await, []);
        self.check_letters(|booked, written| booked <= written);
    }

    fn check_rows(&self) {
        for row in self.bus.ledger() {
            assert!(row.counts.balance(), "{row:?}");
            assert!(!row.counts.dropped.contains_key(&DropReason::Unreadable), "{row:?}");
        }
    }

    /// Every event that was booked as a dead letter was written as one.
    fn check_letters(&self, agree: impl Fn(u64, u64) -> bool) {
        let rows = self.bus.ledger();
        for (target, letters) in self.bus.dead_letter_counts() {
            assert_eq!(letters.written, letters.held + letters.redriven + letters.purged + letters.evicted);
            let own = rows.iter().filter(|row| row.target == target.as_str());
            let booked: u64 = own.map(|row| row.counts.dead_lettered).sum();
            assert!(agree(booked, letters.written), "{target}: {booked} booked, {} written", letters.written);
        }
    }

    /// Whoever needs the journal from an offset on finds everything there.
    fn check_floor(&self) {
        let mut reader = self.bus.records(self.floor_at);
        let mut found: HashSet<Offset> = HashSet::new();
        loop {
            match reader.next_entry() {
                Ok(Some(entry)) => drop(found.insert(entry.offset)),
                Ok(None) => break,
                // Nothing may have been there: then nothing is missing below.
                Err(ReadError::Trimmed { oldest, .. }) => reader.seek(oldest),
                Err(error) => panic!("{error}"),
            }
        }
        for sent in self.sent.iter().filter(|sent| sent.fate == Fate::Durable) {
            let needed = sent.offset >= self.floor_at;
            assert!(!needed || found.contains(&sent.offset), "record {} is gone", sent.offset);
        }
    }

    /// The ledger of the next process, when the last one ended in order.
    pub(super) fn check_ledger_after_end(&self, before: &[LedgerRow]) {
        let after = self.bus.ledger();
        for row in before {
            let kept = after.iter().find(|kept| kept.rule == row.rule && kept.target == row.target);
            let kept = kept.unwrap_or_else(|| panic!("the row is gone: {row:?}"));
            assert!(kept.counts.accepted >= row.counts.accepted, "{row:?} became {kept:?}");
            assert!(kept.counts.delivered >= row.counts.delivered, "{row:?} became {kept:?}");
            assert!(kept.counts.dead_lettered >= row.counts.dead_lettered, "{row:?} became {kept:?}");
        }
    }

    /// Every event is with its target, a dead letter, or counted as dropped; what was taken came in order, under its id.
    pub(super) async fn check_nothing_is_lost(&self) {
        let page = self.bus.dead_letters(DeadLetterFilter::default(), None, usize::MAX).await;
        let letters = page.expect("the disks work").letters;
        let taken = self.external.taken.lock();
        for (target, name) in TARGETS.iter().enumerate() {
            let own = letters.iter().filter(|letter| letter.id.target.as_str() == *name);
            let dead: HashSet<&EventId> = own.map(|letter| &letter.delivery.id).collect();
            let seen: HashSet<&EventId> = taken[target].iter().map(|taken| &taken.id).collect();
            let mut missing = Vec::new();
            for sent in &self.sent {
                for (_, id) in sent.events.iter().filter(|(owner, _)| *owner == target) {
                    let is_there = seen.contains(id) || dead.contains(id);
                    assert!(!is_there || sent.fate != Fate::Lost, "{name} has {id}, which was never durable");
                    if sent.fate == Fate::Durable && !is_there && !self.purged.contains(id) {
                        missing.push(id);
                    }
                }
            }
            let rows = self.bus.ledger();
            let own = rows.iter().filter(|row| row.target == *name);
            let dropped: u64 = own.map(|row| row.counts.dropped.values().sum::<u64>()).sum();
            assert!(
                missing.len() as u64 <= dropped,
                "{name}: {dropped} dropped, but missing are {missing:?}"
            );
        }
        drop(taken);
        self.check_order_and_ids();
    }

    fn check_order_and_ids(&self) {
        let mut sent_as: HashMap<&EventId, (&str, u64)> = HashMap::new();
        for sent in &self.sent {
            sent_as.extend(sent.events.iter().map(|(_, id)| (id, (sent.key.as_str(), sent.number))));
        }
        let refused = self.external.refused.lock();
        for (target, taken) in self.external.taken.lock().iter().enumerate() {
            let mut seen = HashSet::new();
            let mut last: HashMap<&str, (u64, crate::Position)> = HashMap::new();
            for taken in taken {
                let (key, number) = sent_as
                    .get(&taken.id)
                    .unwrap_or_else(|| panic!("{} took {}, which nobody sent", TARGETS[target], taken.id));
                assert_eq!(taken.data.parse(), Ok(*number), "{} has the data of another event", taken.id);
                assert_eq!(taken.key, *key);
                // What was refused has had its turn: that it is tried again after a crash, because its dead letter was not
                // written yet, comes late, but not out of the order that the target has seen.
                let was_refused = refused[target].contains(&taken.id);
                if !seen.insert(&taken.id) || was_refused || taken.redriven && target != VIEW {
                    continue;
                }
                let now = (*number, taken.position);
                let before = last.insert(key, now);
                let (name, id) = (TARGETS[target], &taken.id);
                assert!(
                    before.is_none_or(|before| before < now),
                    "{name}: {id}, {now:?}, came after {before:?}"
                );
            }
        }
    }
}
