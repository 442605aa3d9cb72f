//! A server's frames as bytes, and a client's taken apart again.

use proptest::prelude::*;

use super::*;

/// A server's frame.
fn served(kind: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind | if last { FINAL } else { 0 }];
    match payload.len() {
        short @ 0..=125 => bytes.push(short as u8),
        middle @ 126..=65_535 => {
            bytes.push(126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

type Read = Result<(Vec<u8>, Vec<(u8, Vec<u8>)>, bool), String>;

fn read(bytes: &[u8], piece: usize) -> Read {
    let mut reader = Reader::default();
    let (mut payload, mut answers, mut closed) = (Vec::new(), Vec::new(), false);
    for piece in bytes.chunks(piece) {
        let answer = |frame: Frame<'_>| answers.push((frame.kind, frame.payload.to_vec()));
        closed |= reader.read(piece, &mut payload, answer).map_err(|failure| failure.to_string())?;
    }
    Ok((payload, answers, closed))
}

/// What a client wrote, as a server reads it.
fn unmask(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut at, mut frames) = (0, Vec::new());
    while at < bytes.len() {
        let kind = bytes[at];
        assert!(bytes[at + 1] & MASKED != 0, "a client's frames are masked");
        let (length, header) = match bytes[at + 1] & 0x7F {
            126 => (usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])), 4),
            127 => (u64::from_be_bytes(bytes[at + 2..at + 10].try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        let mask = &bytes[at + header..at + header + 4];
        let start = at + header + 4;
        let payload = bytes[start..start + length].iter().zip(mask.iter().cycle());
        frames.push((kind & 0x0F, payload.map(|(byte, mask)| byte ^ mask).collect()));
        at = start + length;
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_framed_comes_out_of_the_frame(
        start in prop::collection::vec(any::<u8>(), 1..300),
        length in prop::sample::select(vec![0, 1, 125, 126, 127, 300, 65_535, 65_536]),
    ) {
        let payload: Vec<u8> = start.into_iter().cycle().take(length).collect();
        let mut bytes = Vec::new();
        Masks::new().frame(Frame { kind: BINARY, payload: &payload }, &mut bytes);
        prop_assert!(unmask(&bytes) == [(BINARY, payload)], "{length} bytes");
    }

    #[test]
    fn messages_arrive_whole_however_they_are_cut(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), 1..100_usize, any::<bool>()), 1..8),
        piece in 1..50_usize,
    ) {
        let (mut bytes, mut expected, mut pings) = (Vec::new(), Vec::<u8>::new(), 0);
        for (message, cut, ping) in &messages {
            let pieces: Vec<&[u8]> = message.chunks(*cut).collect();
            for (index, piece) in pieces.iter().enumerate() {
                let kind = if index == 0 { BINARY } else { CONTINUATION };
                bytes.extend(served(kind, index + 1 == pieces.len(), piece));
                if *ping {
                    bytes.extend(served(PING, true, b"still there?"));
                    pings += 1;
                }
            }
            expected.extend(message);
        }
        let (payload, answers, closed) = read(&bytes, piece).unwrap();
        prop_assert_eq!(payload, expected);
        prop_assert!(!closed);
        prop_assert_eq!(answers, vec![(PONG, b"still there?".to_vec()); pings]);
    }

    #[test]
    fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1..40_usize) {
        let whole = read(&bytes, bytes.len().max(1));
        // A frame that is refused is refused before or after payload of earlier frames, by where the pieces end.
        if whole.is_ok() && !whole.as_ref().is_ok_and(|(_, _, closed)| *closed) {
            prop_assert_eq!(read(&bytes, piece), whole);
        }
    }
}

#[test]
fn a_close_is_said_back_and_ends_the_connection() {
    let bytes = served(CLOSE, true, b"\x03\xE9going away");
    assert_eq!(read(&bytes, 3), Ok((Vec::new(), vec![(CLOSE, b"\x03\xE9".to_vec())], true)));
}

#[test]
fn a_frame_against_the_rules_is_refused_with_its_reason() {
    let masked = [FINAL | BINARY, MASKED | 1, 0, 0, 0, 0, 0];
    let cases: [(Vec<u8>, &str); 6] = [
        (masked.to_vec(), "masked"),
        (vec![0xC2, 0], "reserved bits"),
        (served(TEXT, true, b"x"), "text frame"),
        (served(CONTINUATION, true, b"x"), "wrong order"),
        ([served(BINARY, false, b"x"), served(BINARY, true, b"x")].concat(), "wrong order"),
        (served(PING, true, &[0; 126]), "too long"),
    ];
    for (bytes, reason) in cases {
        let refused = read(&bytes, 64).unwrap_err();
        assert!(refused.starts_with("WebSocket: the gateway sent") && refused.contains(reason), "{refused}");
    }
}
