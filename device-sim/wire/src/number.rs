//! Variable byte integers: seven bits in each byte, least significant first, at most four bytes [MQTT-1.5.5].

use super::Malformed;

/// The largest number that four bytes can say.
pub(super) const MAX: u32 = 268_435_455;

/// Fills `out` with `number`, which is at most [`MAX`] and takes as many bytes as `out` has.
pub(super) fn place(out: &mut [u8], mut number: u32) {
    debug_assert_eq!(out.len(), bytes(number) as usize, "the caller asks how many bytes it takes");
    for byte in out {
        let low = (number & 0x7F) as u8;
        number >>= 7;
        *byte = if number == 0 { low } else { low | 0x80 };
    }
}

/// How many bytes `number` takes.
pub(super) fn bytes(number: u32) -> u32 {
    match number {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// The number at the start of `input` and how many bytes it takes; `None` if bytes are missing.
pub(super) fn read(input: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    let mut number = 0;
    for (place, byte) in input.iter().take(4).enumerate() {
        number |= u32::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            // The shortest form is the only one [MQTT-1.5.5-1].
            let shortest = place == 0 || *byte != 0;
            return if shortest { Ok(Some((number, place + 1))) } else { Err(Malformed::LongNumber) };
        }
    }
    if input.len() < 4 { Ok(None) } else { Err(Malformed::LongNumber) }
}
