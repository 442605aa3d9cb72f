//! QoS 1 and 2 publishes on their way to one client: packet identifiers, order, what has to be repeated.

use super::queue::Queued;
use mqtt::PacketId;
use std::collections::VecDeque;

/// Number of packet identifiers: 1 to 65,535.
const IDENTIFIERS: u64 = 65_535;

/// One exchange under way.
#[derive(Debug)]
pub(crate) struct Flying {
    /// Grows with each identifier given out; the identifier is its remainder, so no table of used identifiers is needed.
    sequence: u64,
    pub(crate) stage: Stage,
    /// Whether the PUBLISH was sent on this connection and still takes from its send quota.
    pub(crate) counted: bool,
    /// Journal offset of the copy, kept until the exchange is over.
    pub(crate) offset: Option<u64>,
}

/// How far an exchange is, and what would have to be repeated.
#[derive(Debug)]
pub(crate) enum Stage {
    /// PUBLISH was sent; it is repeated from this copy.
    Published(Queued),
    /// PUBREC came; PUBREL is repeated.
    Released,
}

impl Flying {
    pub(crate) fn packet_id(&self) -> PacketId {
        packet_id(self.sequence)
    }
}

impl Flying {
    /// The copy that would be repeated.
    pub(crate) fn into_copy(self) -> Option<Queued> {
        match self.stage {
            Stage::Published(copy) => Some(copy),
            Stage::Released => None,
        }
    }
}

fn packet_id(sequence: u64) -> PacketId {
    let number = u16::try_from(sequence % IDENTIFIERS + 1).unwrap_or(u16::MAX);
    PacketId::new(number).unwrap_or(PacketId::FIRST)
}

/// The exchanges of one session in the order they were first sent `[MQTT-4.6.0-1]`.
#[derive(Debug, Default)]
pub(crate) struct Window {
    flying: VecDeque<Flying>,
    next_sequence: u64,
    /// Exchanges before this place were sent, or sent again, on the present connection.
    repeated: usize,
}

impl Window {
    pub(crate) fn len(&self) -> usize {
        self.flying.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flying> {
        self.flying.iter()
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> &mut Flying {
        &mut self.flying[at]
    }

    /// The identifier the next exchange gets: never one that is in flight `[MQTT-2.2.1-4]`.
    pub(crate) fn next_id(&mut self) -> PacketId {
        // Sequences in flight are all smaller than the next one, so two of them share an identifier only when the oldest is a whole
        // round behind; then it is skipped.
        while self.flying.front().is_some_and(|oldest| self.next_sequence - oldest.sequence >= IDENTIFIERS)
            && self
                .flying
                .iter()
                .any(|flying| flying.sequence % IDENTIFIERS == self.next_sequence % IDENTIFIERS)
        {
            self.next_sequence += 1;
        }
        packet_id(self.next_sequence)
    }

    /// Puts the exchange that got [`Window::next_id`] in flight.
    pub(crate) fn launch(&mut self, copy: Queued) {
        let offset = copy.offset;
        self.flying.push_back(Flying {
            sequence: self.next_sequence,
            stage: Stage::Published(copy),
            counted: true,
            offset,
        });
        self.next_sequence += 1;
        self.repeated += 1;
    }

    /// Puts an exchange of an earlier process back; they come in their old order.
    pub(crate) fn restore(&mut self, id: PacketId, stage: Stage, offset: Option<u64>) {
        let sequence = self.skip(id);
        self.flying.push_back(Flying { sequence, stage, counted: false, offset });
    }

    /// Goes on behind an identifier of an earlier process, of whose exchange nothing is left here: the client may still hold its half of
    /// it, and would take another message of this identifier for a repeat.
    pub(crate) fn skip(&mut self, id: PacketId) -> u64 {
        let residue = u64::from(id.get() - 1);
        let round = self.next_sequence - self.next_sequence % IDENTIFIERS;
        let is_ahead = round + residue >= self.next_sequence;
        let sequence = round + residue + if is_ahead { 0 } else { IDENTIFIERS };
        self.next_sequence = sequence + 1;
        sequence
    }

    /// Where the exchange of `id` stands.
    pub(crate) fn find(&self, id: PacketId) -> Option<usize> {
        let residue = u64::from(id.get() - 1);
        let newest = self.next_sequence.checked_sub(1)?;
        // The newest sequence with this identifier; nearly always the one in flight.
        let back = (newest % IDENTIFIERS + IDENTIFIERS - residue) % IDENTIFIERS;
        if let Some(sequence) = newest.checked_sub(back)
            && let Ok(at) = self.flying.binary_search_by_key(&sequence, |flying| flying.sequence)
        {
            return Some(at);
        }
        self.flying.iter().position(|flying| flying.sequence % IDENTIFIERS == residue)
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<Flying> {
        let removed = self.flying.remove(at);
        if at < self.repeated {
            self.repeated -= 1;
        }
        if self.flying.is_empty() {
            // An idle session holds no buffer.
            self.flying = VecDeque::new();
        }
        removed
    }

    /// A new connection: everything in flight has to be repeated, and nothing counts against its quota yet.
    pub(crate) fn begin_repeats(&mut self) {
        self.repeated = 0;
        for flying in &mut self.flying {
            flying.counted = false;
        }
    }

    /// The place of the next exchange to repeat.
    pub(crate) fn next_repeat(&self) -> Option<usize> {
        (self.repeated < self.flying.len()).then_some(self.repeated)
    }

    /// The exchange at [`Window::next_repeat`] was repeated.
    pub(crate) fn mark_repeated(&mut self) {
        self.repeated += 1;
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Flying> {
        self.repeated = 0;
        std::mem::take(&mut self.flying).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::queue::tests::queued;
    use proptest::prelude::*;

    proptest! {
        /// Launching and landing in any order never gives out an identifier in flight [MQTT-2.2.1-4], and `find` finds what flies.
        #[test]
        fn identifiers_in_flight_are_unique(steps in proptest::collection::vec((any::<bool>(), any::<u16>()), 1..400)) {
            // The counter starts just before it wraps, and one exchange stays for ever.
            let mut window = Window { next_sequence: IDENTIFIERS - 3, ..Window::default() };
            let mut model = Vec::new();
            let mut leap = 0;
            for (launch, pick) in steps {
                if launch || model.is_empty() {
                    let id = window.next_id();
                    prop_assert!(!model.contains(&id));
                    window.launch(queued("t"));
                    model.push(id);
                    leap += 1;
                    if leap % 7 == 0 {
                        window.next_sequence += IDENTIFIERS - 5;
                    }
                } else {
                    let id = model.remove(usize::from(pick) % model.len());
                    let at = window.find(id).expect("what flies is found");
                    prop_assert_eq!(window.remove(at).expect("it is there").packet_id(), id);
                    prop_assert!(window.find(id).is_none());
                }
            }
        }
    }
}
