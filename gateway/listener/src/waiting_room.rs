//! Who begins its handshake next, when not all can at once.
//!
//! A handshake needs one of so many places. An address that has many must leave some to others: it may begin one more only while it has
//! less than [`SHARE`] times what is free. One address alone so gets three quarters of the places, ten get a thirty-first each less than
//! all, and there is always room for one that has none. Connections that can't begin wait by address, each address in its turn, oldest
//! first; when too many wait, the newest of the address with the most is closed. It must not know sockets.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// How many times what is free one address may hold.
const SHARE: usize = 3;

/// The places, and who has them.
#[derive(Debug)]
pub(crate) struct Places {
    places_max: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Has at most as many entries as there are places.
    by_network: HashMap<IpAddr, usize>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    pub(crate) fn new(places_max: usize) -> Arc<Self> {
        Arc::new(Self { places_max: places_max.max(1), taken: Mutex::default(), freed: Notify::new() })
    }

    /// Whether any place is free.
    pub(crate) fn has_room(&self) -> bool {
        self.taken().all < self.places_max
    }

    /// Takes a place for an address; with `is_shared`, only what it may have beside others.
    pub(crate) fn take(self: &Arc<Self>, network: IpAddr, is_shared: bool) -> Option<Place> {
        let mut taken = self.taken();
        let free = self.places_max - taken.all;
        let held = taken.by_network.get(&network).copied().unwrap_or(0);
        if free == 0 || (is_shared && held > 0 && held >= SHARE * free) {
            return None;
        }
        taken.all += 1;
        taken.by_network.insert(network, held + 1);
        Some(Place { places: Arc::clone(self), network })
    }

    /// Waits until a place may have become free.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        // The counts are whole after every statement, so a panic elsewhere can't have left them half changed.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

/// Connections that wait, by address.
#[derive(Debug)]
pub(crate) struct WaitingRoom<C> {
    waiting_max: usize,
    count: usize,
    /// Never holds an empty queue.
    queues: HashMap<IpAddr, VecDeque<C>>,
    /// The addresses with a queue, in the order of their turns.
    turns: VecDeque<IpAddr>,
}

impl<C> WaitingRoom<C> {
    pub(crate) fn new(waiting_max: usize) -> Self {
        Self { waiting_max, count: 0, queues: HashMap::new(), turns: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Lets one wait. Gives the one that has to go for it, if there are too many.
    pub(crate) fn push(&mut self, network: IpAddr, connection: C) -> Option<C> {
        let queue = self.queues.entry(network).or_default();
        if queue.is_empty() {
            self.turns.push_back(network);
        }
        queue.push_back(connection);
        self.count += 1;
        if self.count <= self.waiting_max {
            return None;
        }
        let most = *self.queues.iter().max_by_key(|(_, queue)| queue.len())?.0;
        self.remove(most, VecDeque::pop_back)
    }

    /// The connection whose turn it is among those that get a place from `take`.
    pub(crate) fn next<P>(&mut self, mut take: impl FnMut(IpAddr) -> Option<P>) -> Option<(C, P)> {
        for _ in 0..self.turns.len() {
            let network = *self.turns.front()?;
            self.turns.rotate_left(1);
            if let Some(place) = take(network) {
                return self.remove(network, VecDeque::pop_front).map(|connection| (connection, place));
            }
        }
        None
    }

    fn remove(&mut self, network: IpAddr, pop: fn(&mut VecDeque<C>) -> Option<C>) -> Option<C> {
        let queue = self.queues.get_mut(&network)?;
        let connection = pop(queue)?;
        self.count -= 1;
        if queue.is_empty() {
            self.queues.remove(&network);
            self.turns.retain(|turn| *turn != network);
        }
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn one_address_leaves_places_to_others_and_all_of_them_still_do() {
        let places = Places::new(256);
        let mut held = Vec::new();
        let mut counts = Vec::new();
        for number in 0..20 {
            let before = held.len();
            while let Some(place) = places.take(address(number), true) {
                held.push(place);
            }
            counts.push(held.len() - before);
        }
        assert_eq!(counts[0], 192, "three quarters for one alone");
        assert!(counts.iter().take(5).all(|count| *count >= 1), "{counts:?}");
        assert!(held.len() <= 256);
        drop(held);
        assert!(places.taken().by_network.is_empty());
        let all: Vec<Place> = (0..300).map_while(|_| places.take(address(1), false)).collect();
        assert_eq!(all.len(), 256, "not shared, one address may have all");
    }

    #[test]
    fn addresses_take_turns_and_each_is_served_oldest_first() {
        let mut room = WaitingRoom::new(100);
        for (number, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
            assert_eq!(room.push(address(number), name), None);
        }
        let mut order = Vec::new();
        while let Some((name, ())) = room.next(|_| Some(())) {
            order.push(name);
        }
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(room.is_empty() && room.queues.is_empty() && room.turns.is_empty());
    }

    #[test]
    fn an_address_that_may_not_have_a_place_is_passed_over() {
        let mut room = WaitingRoom::new(100);
        room.push(address(1), "a");
        room.push(address(2), "b");
        let next = room.next(|network| (network == address(2)).then_some(()));
        assert_eq!(next, Some(("b", ())));
        assert_eq!(room.next(|_| None::<()>), None);
        assert_eq!(room.next(|_| Some(())), Some(("a", ())));
    }

    #[test]
    fn when_too_many_wait_the_newest_of_the_greediest_goes() {
        let mut room = WaitingRoom::new(3);
        for name in ["a1", "a2", "a3"] {
            assert_eq!(room.push(address(1), name), None);
        }
        assert_eq!(room.push(address(2), "b1"), Some("a3"));
        assert_eq!(room.push(address(1), "a4"), Some("a4"));
        assert_eq!(room.count, 3);
    }
}
