//! Arbitrary bytes as what a server sends to a simulated device, in each version: nothing panics, what is held is bounded, and the
//! pieces in which bytes arrive make no difference.

#![no_main]

use device_sim_wire::{Decoder, Malformed, Version};
use libfuzzer_sys::fuzz_target;

const PACKET_BYTES_MAX: u32 = 4096;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    for version in [Version::V3, Version::V5] {
        let whole = decode(version, bytes, bytes.len());
        let pieces = decode(version, bytes, usize::from(piece));
        assert_eq!(whole, pieces);
    }
});

/// All packets as text, and what was wrong with the bytes after them.
fn decode(version: Version, bytes: &[u8], piece: usize) -> (Vec<String>, Option<Malformed>) {
    let mut decoder = Decoder::new(version, PACKET_BYTES_MAX);
    let mut packets = Vec::new();
    for mut piece in bytes.chunks(piece.max(1)) {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(packet)) => packets.push(format!("{packet:?}")),
                Ok(None) => break,
                Err(malformed) => {
                    assert!(!malformed.to_string().is_empty());
                    return (packets, Some(malformed));
                }
            }
        }
        assert!(piece.is_empty(), "a decoder that asks for more has taken everything");
        assert!(decoder.held_bytes() <= 2 * PACKET_BYTES_MAX as usize);
    }
    (packets, None)
}
