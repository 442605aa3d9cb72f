//! Copies that wait for one client.

use crate::Message;
use mqtt::Qos;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// Subscription identifiers of one copy; more than one only when subscriptions overlap.
pub(crate) type Identifiers = SmallVec<[u32; 1]>;

/// One copy of a message for one client.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) message: Arc<Message>,
    /// The smaller of the publish's and the subscription's `[MQTT-3.8.4-8]`.
    pub(crate) qos: Qos,
    /// The retain flag to send.
    pub(crate) retain: bool,
    /// Whether the client's policy was asked already; it is not when the copy came without a connection to ask about.
    pub(crate) permitted: bool,
    pub(crate) identifiers: Identifiers,
    /// The whole shared filter it came by.
    pub(crate) shared: Option<Arc<str>>,
    /// Journal offset of the record that owes this copy.
    pub(crate) offset: Option<u64>,
    /// Place in the order of arrival.
    pub(crate) arrival: u64,
}

/// What waits, in order of arrival. QoS 0 stands apart so that it need not wait for a client that is slow to acknowledge, and so that
/// the oldest of it can make room. Order is kept among messages of one quality of service, which is what `[MQTT-4.6.0-6]` asks.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    at_most_once: VecDeque<Queued>,
    acknowledged: VecDeque<Queued>,
    next_arrival: u64,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.at_most_once.len() + self.acknowledged.len()
    }

    pub(crate) fn push(&mut self, mut copy: Queued) {
        copy.arrival = self.next_arrival;
        self.next_arrival += 1;
        match copy.qos {
            Qos::AtMostOnce => self.at_most_once.push_back(copy),
            Qos::AtLeastOnce | Qos::ExactlyOnce => self.acknowledged.push_back(copy),
        }
    }

    /// The next copy to send: the older of both heads, or only QoS 0 while the window is closed.
    pub(crate) fn pop(&mut self, window_open: bool) -> Option<Queued> {
        let acknowledged = self.acknowledged.front().filter(|_| window_open).map(|copy| copy.arrival);
        let at_most_once = self.at_most_once.front().map(|copy| copy.arrival);
        let popped = match (acknowledged, at_most_once) {
            (Some(acknowledged), Some(at_most_once)) if acknowledged < at_most_once => {
                self.acknowledged.pop_front()
            }
            (Some(_), None) => self.acknowledged.pop_front(),
            (_, Some(_)) => self.at_most_once.pop_front(),
            (None, None) => None,
        };
        if self.len() == 0 {
            self.release();
        }
        popped
    }

    /// The oldest QoS 0 copy, to make room.
    pub(crate) fn pop_at_most_once(&mut self) -> Option<Queued> {
        self.at_most_once.pop_front()
    }

    /// Takes out the copies that `wanted` picks, keeping the order of both sides.
    pub(crate) fn extract(&mut self, mut wanted: impl FnMut(&Queued) -> bool) -> Vec<Queued> {
        let mut taken = Vec::new();
        for deque in [&mut self.acknowledged, &mut self.at_most_once] {
            if !deque.iter().any(&mut wanted) {
                continue;
            }
            for copy in std::mem::take(deque) {
                if wanted(&copy) {
                    taken.push(copy);
                } else {
                    deque.push_back(copy);
                }
            }
        }
        taken
    }

    /// The connection whose policy was asked is gone: the next one's is asked again.
    pub(crate) fn withdraw_permits(&mut self) {
        for copy in self.acknowledged.iter_mut().chain(&mut self.at_most_once) {
            copy.permitted = false;
        }
    }

    /// An idle session holds no buffer.
    fn release(&mut self) {
        const KEPT_COPIES_MAX: usize = 4;
        if self.acknowledged.capacity() > KEPT_COPIES_MAX {
            self.acknowledged = VecDeque::new();
        }
        if self.at_most_once.capacity() > KEPT_COPIES_MAX {
            self.at_most_once = VecDeque::new();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use mqtt::{Properties, Text};

    pub(crate) fn queued(topic: &str) -> Queued {
        let message = Message {
            topic: Text::try_from(topic).expect("a topic"),
            payload: bytes::Bytes::new(),
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: Properties::default(),
            expires_at_ms: None,
            publisher: Arc::from(""),
        };
        Queued {
            message: Arc::new(message),
            qos: Qos::AtLeastOnce,
            retain: false,
            permitted: true,
            identifiers: Identifiers::new(),
            shared: None,
            offset: None,
            arrival: 0,
        }
    }

    #[test]
    fn qos_0_passes_a_closed_window_and_otherwise_arrival_decides() {
        let mut queue = Queue::default();
        for (topic, qos) in [("1", Qos::AtLeastOnce), ("2", Qos::AtMostOnce), ("3", Qos::ExactlyOnce)] {
            queue.push(Queued { qos, ..queued(topic) });
        }
        let mut order = Vec::new();
        while let Some(copy) =
            queue.pop(order.is_empty()).or_else(|| queue.pop(false)).or_else(|| queue.pop(true))
        {
            order.push(copy.message.topic.to_string());
        }
        assert_eq!(order, ["1", "2", "3"]);
        for (topic, qos) in [("1", Qos::AtLeastOnce), ("2", Qos::AtMostOnce)] {
            queue.push(Queued { qos, ..queued(topic) });
        }
        assert_eq!(&*queue.pop(false).expect("two wait").message.topic, "2");
        assert!(queue.pop(false).is_none());
    }
}
