//! Bytes and packets in and out of all connections. Counted for each packet, so each thread has counters of its own.

use mqtt::PacketType;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// As many threads count without touching each other's memory.
const SHARDS: usize = 16;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From clients.
    Received,
    /// To clients.
    Sent,
}

/// The counters of all threads.
#[derive(Debug, Default)]
pub(crate) struct Traffic([Shard; SHARDS]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    received: Counts,
    sent: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    /// By number of packet type; there is no type 0.
    packets: [AtomicU64; 16],
}

/// What went one way since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Bytes of MQTT: those of TLS and WebSocket aside.
    pub(crate) bytes: u64,
    packets: [u64; 16],
}

impl Totals {
    /// Packets of one type.
    pub(crate) fn packets(&self, packet: PacketType) -> u64 {
        self.packets[usize::from(packet.number())]
    }

    /// Packets of every type.
    pub(crate) fn packets_all(&self) -> u64 {
        self.packets.iter().sum()
    }
}

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Relaxed) % SHARDS
    };
}

impl Traffic {
    pub(super) fn bytes(&self, direction: Direction, count: usize) {
        self.counts(direction).bytes.fetch_add(count as u64, Relaxed);
    }

    pub(super) fn packet(&self, direction: Direction, packet: PacketType) {
        self.counts(direction).packets[usize::from(packet.number())].fetch_add(1, Relaxed);
    }

    /// Counts the packets sent that stand in `bytes`, one behind the other.
    pub(super) fn packets_sent(&self, mut bytes: &[u8]) {
        while let Some((packet, rest)) = split_packet(bytes) {
            self.packet(Direction::Sent, packet);
            bytes = rest;
        }
    }

    fn counts(&self, direction: Direction) -> &Counts {
        let shard = &self.0[SHARD.with(|shard| *shard)];
        match direction {
            Direction::Received => &shard.received,
            Direction::Sent => &shard.sent,
        }
    }

    /// What went one way so far.
    pub(crate) fn totals(&self, direction: Direction) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.0 {
            let counts = if direction == Direction::Sent { &shard.sent } else { &shard.received };
            totals.bytes += counts.bytes.load(Relaxed);
            for (total, count) in totals.packets.iter_mut().zip(&counts.packets) {
                *total += count.load(Relaxed);
            }
        }
        totals
    }
}

/// The type of the packet at the front, and what follows it. `None` at the end, and for what is not a whole packet.
fn split_packet(bytes: &[u8]) -> Option<(PacketType, &[u8])> {
    let packet = PacketType::from_number(bytes.first()? >> 4)?;
    let mut length = 0;
    for (at, byte) in bytes[1..].iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((packet, bytes.get(at + 2 + length..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_by_type_and_way() {
        let traffic = Traffic::default();
        let long = [&[0x30, 0x81, 0x01][..], &[0; 129]].concat();
        // PUBLISH of 129 bytes, PINGRESP, PUBACK, PINGRESP.
        traffic.packets_sent(&[&long[..], &[0xD0, 0], &[0x40, 2, 0, 1], &[0xD0, 0]].concat());
        traffic.packet(Direction::Received, PacketType::Publish);
        traffic.bytes(Direction::Received, 7);
        let (received, sent) = (traffic.totals(Direction::Received), traffic.totals(Direction::Sent));
        let counted =
            [PacketType::Publish, PacketType::PingResp, PacketType::PubAck].map(|it| sent.packets(it));
        assert_eq!(counted, [1, 2, 1]);
        assert_eq!((sent.packets_all(), received.packets_all()), (4, 1));
        assert_eq!((sent.bytes, received.bytes), (0, 7));
    }

    #[test]
    fn what_is_no_packet_is_not_counted() {
        for bytes in [&b""[..], &[0x30], &[0x30, 2, 0], &[0x00, 0], &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1]] {
            assert_eq!(split_packet(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn threads_add_up() {
        let traffic = Traffic::default();
        std::thread::scope(|scope| {
            for _ in 0..SHARDS + 3 {
                scope.spawn(|| traffic.packet(Direction::Sent, PacketType::PingResp));
            }
        });
        assert_eq!(traffic.totals(Direction::Sent).packets_all(), SHARDS as u64 + 3);
    }
}
