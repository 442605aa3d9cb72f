//! The messages on their way: written with a packet id, and not yet acknowledged for the last time. Pure.
//!
//! Packet ids are allotted in turn, so the messages stand in the order in which they were first written, which is
//! the order in which they must be written again [MQTT-4.6.0-1].

use std::collections::VecDeque;

/// Packet ids of messages go from 1 to this.
const PACKET_IDS: u64 = 65_534;
/// The packet id that no message gets, for what is asked of the server.
pub(crate) const REQUEST_PACKET_ID: u16 = 65_535;

/// A message with what is needed to write it again.
#[derive(Debug)]
pub(crate) struct Flying<Message> {
    /// How many packet ids were allotted before this one's.
    allotment: u64,
    /// It was written with this packet id.
    pub(crate) written: bool,
    /// The server has it (PUBREC), and was told to release it.
    pub(crate) released: bool,
    pub(crate) message: Message,
}

impl<Message> Flying<Message> {
    pub(crate) fn packet_id(&self) -> u16 {
        packet_id(self.allotment)
    }
}

/// One session's messages on their way.
#[derive(Debug)]
pub(crate) struct Flight<Message> {
    next: u64,
    /// From this allotment on, nothing was written on this connection.
    unwritten: u64,
    /// In the order of allotment.
    flying: VecDeque<Flying<Message>>,
}

impl<Message> Default for Flight<Message> {
    fn default() -> Self {
        Self { next: 0, unwritten: 0, flying: VecDeque::new() }
    }
}

impl<Message> Flight<Message> {
    /// How many are on their way.
    pub(crate) fn len(&self) -> usize {
        self.flying.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    /// Gives a message a packet id that no other on its way has, to be written now. Fewer than 65,534 may be on their
    /// way, and none of them may wait to be written again.
    pub(crate) fn take_off(&mut self, message: Message) -> &Flying<Message> {
        self.allot(message, true);
        self.unwritten = self.next;
        self.flying.back().expect("a message was just added")
    }

    fn allot(&mut self, message: Message, written: bool) {
        while self.wrapped() && self.position(packet_id(self.next)).is_some() {
            self.next += 1;
        }
        self.flying.push_back(Flying { allotment: self.next, written, released: false, message });
        self.next += 1;
    }

    /// A packet id that is not the last of a message's conversation: PUBREC. `None` if nothing flies with it.
    pub(crate) fn get_mut(&mut self, packet_id: u16) -> Option<&mut Flying<Message>> {
        let position = self.position(packet_id)?;
        self.flying.get_mut(position)
    }

    /// The last acknowledgement that a packet id gets: PUBACK, PUBCOMP, or a refusal.
    pub(crate) fn land(&mut self, packet_id: u16) -> Option<Message> {
        let position = self.position(packet_id)?;
        self.flying.remove(position).map(|flying| flying.message)
    }

    /// There is another connection, and the server has the session: everything is to be written again, in order.
    pub(crate) fn reconnected(&mut self) {
        self.unwritten = self.flying.front().map_or(self.next, |oldest| oldest.allotment);
    }

    /// There is another connection, and the server forgot the session: no packet id means anything to it any more. All
    /// messages get others, in order, and are to be written again; the result is those that the server had.
    pub(crate) fn session_lost(&mut self) -> Vec<Message> {
        let all = std::mem::take(&mut self.flying);
        self.unwritten = self.next;
        let mut released = Vec::new();
        for flying in all {
            if flying.released {
                released.push(flying.message);
            } else {
                self.allot(flying.message, false);
            }
        }
        released
    }

    /// Whether something is to be written again.
    pub(crate) fn is_behind(&self) -> bool {
        self.flying.back().is_some_and(|newest| newest.allotment >= self.unwritten)
    }

    /// Whether something is to be written again, and may be: no more than `most` are on their way on a connection.
    pub(crate) fn may_write_again(&self, most: usize) -> bool {
        self.is_behind() && self.again() < most
    }

    /// What is to be written again next, now, and whether it was written before.
    pub(crate) fn write_again(&mut self, most: usize) -> Option<(bool, &Flying<Message>)> {
        let place = Some(self.again()).filter(|place| *place < most)?;
        let flying = self.flying.get_mut(place)?;
        self.unwritten = flying.allotment + 1;
        let before = std::mem::replace(&mut flying.written, true);
        Some((before, flying))
    }

    /// The place of what is to be written again next.
    fn again(&self) -> usize {
        self.flying.partition_point(|flying| flying.allotment < self.unwritten)
    }

    /// Whether the ids have gone round since the oldest message got its own, so that one may be taken.
    fn wrapped(&self) -> bool {
        self.flying.front().is_some_and(|oldest| self.next - oldest.allotment >= PACKET_IDS)
    }

    fn position(&self, wanted: u16) -> Option<usize> {
        let wanted = u64::from(wanted).checked_sub(1).filter(|wanted| *wanted < PACKET_IDS)?;
        let (oldest, newest) = (self.flying.front()?.allotment, self.flying.back()?.allotment);
        let mut candidate = oldest + (wanted + PACKET_IDS - oldest % PACKET_IDS) % PACKET_IDS;
        // Almost always the first look finds it; only a message that outlived a whole turn of ids needs more.
        while candidate <= newest {
            let found = self.flying.binary_search_by_key(&candidate, |flying| flying.allotment);
            if let Ok(position) = found {
                return Some(position);
            }
            candidate += PACKET_IDS;
        }
        None
    }
}

fn packet_id(allotment: u64) -> u16 {
    // At most 65,534, so nothing is cut off.
    (allotment % PACKET_IDS) as u16 + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_stay_in_order_until_they_land() {
        let mut flight = Flight::default();
        let ids: Vec<u16> = (10..14).map(|message| flight.take_off(message).packet_id()).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        assert_eq!((flight.land(3), flight.land(3), flight.land(0)), (Some(12), None, None));
        let left: Vec<_> = flight.flying.iter().map(|flying| (flying.packet_id(), flying.message)).collect();
        assert_eq!(left, [(1, 10), (2, 11), (4, 13)]);
    }

    #[test]
    fn an_id_that_is_still_taken_is_passed_over() {
        let mut flight = Flight::default();
        flight.take_off(0);
        flight.take_off(1);
        for message in 2..65_534 {
            let id = flight.take_off(message).packet_id();
            assert_eq!(flight.land(id), Some(message));
        }
        assert_eq!(flight.take_off(7).packet_id(), 3, "1 and 2 are on their way");
        assert_eq!((flight.land(2), flight.land(1), flight.land(3)), (Some(1), Some(0), Some(7)));
        assert_eq!(flight.take_off(8).packet_id(), 4);
    }

    #[test]
    fn what_is_on_its_way_is_written_again_on_another_connection() {
        let mut flight = Flight::default();
        for message in 0..4 {
            flight.take_off(message);
        }
        flight.get_mut(2).unwrap().released = true;
        assert!(!flight.is_behind());
        let again = |flight: &mut Flight<u64>, most| {
            let (before, flying) = flight.write_again(most)?;
            Some((before, flying.packet_id(), flying.message))
        };
        flight.reconnected();
        assert_eq!(again(&mut flight, 2), Some((true, 1, 0)));
        assert_eq!(again(&mut flight, 2), Some((true, 2, 1)));
        assert!(again(&mut flight, 2).is_none() && flight.is_behind() && !flight.may_write_again(2));
        flight.land(1);
        assert_eq!(again(&mut flight, 2), Some((true, 3, 2)));
        assert_eq!(flight.session_lost(), [1]);
        assert_eq!(again(&mut flight, 9), Some((false, 5, 2)));
        // The connection breaks before the last one is written; then the server has the session again.
        flight.reconnected();
        assert_eq!(again(&mut flight, 9), Some((true, 5, 2)));
        assert_eq!(again(&mut flight, 9), Some((false, 6, 3)));
        assert!(again(&mut flight, 9).is_none() && !flight.is_behind());
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_packet_ids(steps in prop::collection::vec((any::<bool>(), 0..40_u64), 1..200), start in 0..200_000_u64) {
            let mut flight = Flight { next: start, ..Flight::default() };
            let mut model = BTreeMap::new();
            for (number, (lands, pick)) in steps.into_iter().enumerate() {
                if lands && !model.is_empty() {
                    let id = *model.keys().nth(pick as usize % model.len()).unwrap();
                    prop_assert_eq!(flight.land(id), model.remove(&id));
                } else {
                    let id = flight.take_off(number).packet_id();
                    prop_assert!(id > 0 && model.insert(id, number).is_none());
                }
                prop_assert_eq!(flight.len(), model.len());
            }
            let order: Vec<_> = flight.flying.iter().map(|flying| flying.message).collect();
            prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
