//! Who is due which message, and who got it.

use mqtt::{Publish, Qos};
use std::collections::BTreeMap;

/// A copy that one session is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) session: usize,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) identifiers: Vec<u32>,
    /// Whether quality of service, flag and identifiers are known; they are not for a subscription made while the message was written.
    pub(crate) is_exact: bool,
}

/// A message between its receipt and its commit: who gets it was decided at the receipt.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) plain: Vec<Due>,
    /// Whole shared filters, one copy each.
    pub(crate) groups: Vec<String>,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) topic: String,
    pub(crate) qos: Qos,
    pub(crate) expires_at_ms: Option<u64>,
    /// Copies not delivered yet.
    pub(crate) due: Vec<Due>,
    pub(crate) groups: Vec<String>,
    /// Deliveries by groups at QoS 0 and 2, of which there is one for each group; QoS 1 may come again.
    group_once: usize,
    pub(crate) group_deliveries: usize,
}

/// How a copy came.
pub(crate) enum Taken {
    Plain(Due),
    Shared,
}

#[derive(Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<String, Entry>,
}

impl Ledger {
    /// A message was accepted. Labels are used once, but for those of empty payloads, which add up.
    pub(crate) fn open(
        &mut self,
        label: &str,
        topic: &str,
        qos: Qos,
        expires_at_ms: Option<u64>,
        routed: Routed,
    ) {
        let entry = self.entries.entry(label.to_owned()).or_insert_with(|| Entry {
            topic: topic.to_owned(),
            qos,
            expires_at_ms,
            due: Vec::new(),
            groups: Vec::new(),
            group_once: 0,
            group_deliveries: 0,
        });
        entry.due.extend(routed.plain);
        entry.groups.extend(routed.groups);
    }

    pub(crate) fn entry(&self, label: &str) -> Option<&Entry> {
        self.entries.get(label)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Whether a copy with the retain flag may as well be a live one as one from the retained messages.
    pub(crate) fn is_vague(&self, label: &str, session: usize, is_member: impl Fn(&str) -> bool) -> bool {
        let Some(entry) = self.entries.get(label) else { return false };
        entry.due.iter().any(|due| due.session == session && due.retain)
            || entry.groups.iter().any(|group| is_member(group))
    }

    /// A copy reached `session`; `None` when it was not due. With `is_fed` it may be a retained message that the session is due too: it is,
    /// unless a live copy with the retain flag is due.
    pub(crate) fn take(
        &mut self,
        label: &str,
        session: usize,
        publish: &Publish,
        is_fed: bool,
        is_member: impl Fn(&str) -> bool,
    ) -> Option<Taken> {
        let is_live = |due: &Due| due.session == session && (!is_fed || due.retain);
        let entry = self.entries.get_mut(label)?;
        let by_group = entry.groups.iter().filter(|group| is_member(group)).count();
        let same_qos = entry.due.iter().position(|due| is_live(due) && due.qos == publish.qos);
        let any_qos = || entry.due.iter().position(is_live).filter(|_| by_group == 0 && !is_fed);
        if let Some(at) = same_qos.or_else(any_qos) {
            let due = entry.due.remove(at);
            // Which of several copies this one is can't be told.
            let is_exact = due.is_exact && by_group == 0;
            return Some(Taken::Plain(Due { is_exact, ..due }));
        }
        if by_group == 0 || is_fed {
            return None;
        }
        entry.group_deliveries += 1;
        entry.group_once += usize::from(publish.qos != Qos::AtLeastOnce);
        assert!(
            entry.group_once <= entry.groups.len(),
            "{label}: given to more members than there are groups [MQTT-4.8.2-4]"
        );
        Some(Taken::Shared)
    }
}
