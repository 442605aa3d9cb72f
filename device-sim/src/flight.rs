//! Which packet id carries which message: what turns an acknowledgement of a packet into one of a sequence number.
//!
//! The client gives no handle for a publish; it tells in order which packet ids it wrote. What is handed to it goes
//! through one queue, so the first packet id that is not already flying belongs to the oldest message handed over.
//! A packet id that flies already was written again, after a reconnect. Pure: no client, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flying {
    pub(crate) sequence: u64,
    /// When it was due, from the start of the run.
    pub(crate) due: Duration,
    /// It has been written to a connection before.
    pub(crate) written: bool,
}

/// What a written publish was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The first time that this message is written.
    First(Flying),
    /// The same packet again, marked DUP.
    Resent,
    /// The same message in a new packet, because the server forgot the session.
    Republished,
}

/// Messages between being handed to the client and being acknowledged. At most the in-flight limit.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    handed_over: VecDeque<Flying>,
    by_packet_id: BTreeMap<u16, Flying>,
}

impl Flight {
    /// A message was handed to the client.
    pub(crate) fn hand_over(&mut self, sequence: u64, due: Duration) {
        self.handed_over.push_back(Flying { sequence, due, written: false });
    }

    /// The client wrote a publish; packet id 0 is QoS 0, which ends its flight. `None` if it is none of ours.
    pub(crate) fn written(&mut self, packet_id: u16) -> Option<Written> {
        if self.by_packet_id.contains_key(&packet_id) {
            return Some(Written::Resent);
        }
        let mut flying = self.handed_over.pop_front()?;
        let result = if flying.written { Written::Republished } else { Written::First(flying) };
        flying.written = true;
        if packet_id != 0 {
            self.by_packet_id.insert(packet_id, flying);
        }
        Some(result)
    }

    /// The last acknowledgement that a packet id gets: PUBACK or PUBCOMP.
    pub(crate) fn acknowledged(&mut self, packet_id: u16) -> Option<Flying> {
        self.by_packet_id.remove(&packet_id)
    }

    /// Which message a packet id carries.
    pub(crate) fn sequence(&self, packet_id: u16) -> Option<u64> {
        self.by_packet_id.get(&packet_id).map(|flying| flying.sequence)
    }

    /// The server forgot the session. These packet ids, in this order, will be published as new packets before
    /// everything that was not yet written. All others are given up; the result is how many.
    pub(crate) fn session_lost(&mut self, packet_ids: &[u16]) -> usize {
        let again: Vec<_> = packet_ids.iter().filter_map(|id| self.by_packet_id.remove(id)).collect();
        for flying in again.into_iter().rev() {
            self.handed_over.push_front(flying);
        }
        let given_up = self.by_packet_id.len();
        self.by_packet_id.clear();
        given_up
    }

    /// How many are on their way.
    pub(crate) fn len(&self) -> usize {
        self.handed_over.len() + self.by_packet_id.len()
    }

    /// How many were never written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.handed_over.iter().filter(|flying| !flying.written).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(sequences: std::ops::RangeInclusive<u64>) -> Flight {
        let mut flight = Flight::default();
        for sequence in sequences {
            flight.hand_over(sequence, Duration::ZERO);
        }
        flight
    }

    fn acknowledged(flight: &mut Flight, packet_id: u16) -> Option<u64> {
        flight.acknowledged(packet_id).map(|flying| flying.sequence)
    }

    #[test]
    fn packet_ids_are_reused_after_their_acknowledgement() {
        let mut flight = with(1..=3);
        flight.written(1);
        flight.written(2);
        assert_eq!(acknowledged(&mut flight, 1), Some(1));
        flight.written(1);
        assert_eq!(acknowledged(&mut flight, 1), Some(3));
        assert_eq!(acknowledged(&mut flight, 2), Some(2));
        assert_eq!(acknowledged(&mut flight, 2), None);
    }

    #[test]
    fn a_packet_written_again_stays_the_same_message() {
        let mut flight = with(1..=3);
        flight.written(1);
        flight.written(2);
        assert_eq!(flight.written(1), Some(Written::Resent));
        assert_eq!(flight.written(2), Some(Written::Resent));
        assert!(matches!(flight.written(3), Some(Written::First(Flying { sequence: 3, .. }))));
        assert_eq!(acknowledged(&mut flight, 2), Some(2));
    }

    #[test]
    fn a_lost_session_republishes_in_order_before_what_was_never_written() {
        let mut flight = with(1..=4);
        for packet_id in 7..=9 {
            flight.written(packet_id);
        }
        assert_eq!(flight.session_lost(&[7, 8]), 1, "packet 9 was only waiting for its PUBCOMP");
        assert_eq!(flight.unwritten(), 1);
        assert_eq!(flight.written(10), Some(Written::Republished));
        assert_eq!(flight.written(11), Some(Written::Republished));
        assert!(matches!(flight.written(12), Some(Written::First(_))));
        assert_eq!(
            [10, 11, 12].map(|packet_id| acknowledged(&mut flight, packet_id)),
            [Some(1), Some(2), Some(4)]
        );
    }

    #[test]
    fn qos_0_ends_when_it_is_written() {
        let mut flight = with(1..=1);
        assert!(matches!(flight.written(0), Some(Written::First(_))));
        assert_eq!(flight.len(), 0);
    }
}
