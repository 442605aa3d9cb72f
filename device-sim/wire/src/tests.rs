//! Packets to bytes and bytes to packets, as text.

mod cases;
mod oracle;

use super::*;

/// All packets in `bytes`, given to the decoder in pieces of `piece` bytes.
pub(super) fn decode_in_pieces(
    version: Version,
    bytes: &[u8],
    piece: usize,
) -> Result<Vec<String>, Malformed> {
    let mut decoder = Decoder::new(version, PACKET_BYTES_MAX);
    let mut packets = Vec::new();
    for mut piece in bytes.chunks(piece.max(1)) {
        while let Some(packet) = decoder.next(&mut piece)? {
            packets.push(format!("{packet:?}"));
        }
        assert!(piece.is_empty(), "a decoder that asks for more has taken everything");
    }
    Ok(packets)
}
