//! How long a client may be silent, and how long one packet may take.

use std::time::Duration;
use tokio::time::Instant;

/// The limits of one connection, and since when they run.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None` when there is no limit.
    silence_max: Option<Duration>,
    has_keep_alive: bool,
    packet_time_max: Option<Duration>,
    /// When the last whole packet came.
    heard: Instant,
    /// When the packet that is not whole yet was begun.
    begun: Option<Instant>,
}

impl Patience {
    /// One and a half keep alive intervals `[MQTT-3.1.2-22]`, or without keep alive `idle_secs_max`; 0 is no limit.
    pub(super) fn new(keep_alive_secs: u16, idle_secs_max: u64, packet_secs_max: u64) -> Self {
        let limit = |secs| (secs > 0).then(|| Duration::from_secs(secs));
        let keep_alive = limit(u64::from(keep_alive_secs)).map(|interval| interval * 3 / 2);
        Self {
            silence_max: keep_alive.or(limit(idle_secs_max)),
            has_keep_alive: keep_alive.is_some(),
            packet_time_max: limit(packet_secs_max),
            heard: Instant::now(),
            begun: None,
        }
    }

    /// What was read: whether it made a whole packet, and whether more of another is there.
    pub(super) fn read(&mut self, is_whole: bool, has_part: bool, now: Instant) {
        if is_whole {
            self.heard = self.heard.max(now);
        }
        self.begun = match self.begun {
            Some(begun) if has_part && !is_whole => Some(begun),
            _ => has_part.then_some(now),
        };
    }

    /// The client was not listened to: its time begins anew.
    pub(super) fn pardon(&mut self, now: Instant) {
        self.heard = now;
        self.begun = self.begun.map(|_| now);
    }

    /// When [`Patience::exhausted`] may have something to say. Without limits, a time that never comes.
    pub(super) fn deadline(&self) -> Instant {
        const NEVER: Duration = Duration::from_secs(86_400 * 365);
        let silence = self.heard + self.silence_max.unwrap_or(NEVER);
        let packet = self.begun.zip(self.packet_time_max).map(|(begun, time_max)| begun + time_max);
        packet.map_or(silence, |packet| packet.min(silence))
    }

    /// Why the connection has to close, if it has to.
    pub(super) fn exhausted(&self, now: Instant) -> Option<&'static str> {
        if self.silence_max.is_some_and(|silence_max| self.heard + silence_max <= now) {
            return Some(match self.has_keep_alive {
                true => "silent for longer than its keep alive allows",
                false => "silent for longer than `mqtt.idle_secs_max` allows",
            });
        }
        let packet = self.begun.zip(self.packet_time_max).map(|(begun, time_max)| begun + time_max);
        packet
            .is_some_and(|deadline| deadline <= now)
            .then_some("a packet took longer than `mqtt.packet_secs_max` allows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn whole_packets_count_as_life_and_parts_do_not() {
        let mut patience = Patience::new(10, 0, 0);
        let now = Instant::now();
        patience.read(true, false, now);
        assert_eq!(patience.exhausted(now + SECOND * 14), None);
        patience.read(false, true, now + SECOND * 14);
        assert!(patience.exhausted(now + SECOND * 15).is_some_and(|why| why.contains("keep alive")));
        patience.read(true, false, now + SECOND * 14);
        assert_eq!(patience.exhausted(now + SECOND * 15), None);
    }

    #[tokio::test]
    async fn a_packet_has_its_own_time_from_its_first_byte() {
        let mut patience = Patience::new(0, 0, 5);
        let now = Instant::now();
        assert!(patience.deadline() > now + SECOND * 86_400, "no packet, no limit");
        patience.read(false, true, now);
        // A byte now and then changes nothing.
        patience.read(false, true, now + SECOND * 4);
        assert_eq!(patience.deadline(), now + SECOND * 5);
        assert!(patience.exhausted(now + SECOND * 5).is_some_and(|why| why.contains("packet_secs_max")));
        // It is whole, and the next one has begun.
        patience.read(true, true, now + SECOND * 4);
        assert_eq!(patience.deadline(), now + SECOND * 9);
        patience.read(true, false, now + SECOND * 8);
        assert_eq!(patience.exhausted(now + SECOND * 100), None);
    }

    #[tokio::test]
    async fn without_keep_alive_the_setting_counts_and_a_pardon_starts_anew() {
        let mut patience = Patience::new(0, 60, 0);
        let now = Instant::now();
        patience.read(true, false, now);
        patience.pardon(now + SECOND * 50);
        assert_eq!(patience.deadline(), now + SECOND * 110);
        assert!(patience.exhausted(now + SECOND * 110).is_some_and(|why| why.contains("idle_secs_max")));
    }
}
