//! Frames of a client in, payload and wishes out.

use crate::Violation;
use crate::input::{Control, Input};
use proptest::prelude::*;

/// A masked frame: its first byte, and its payload.
pub(super) fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Feeds `bytes` in pieces of `piece` bytes; gives all payload and everything that was wanted.
fn feed(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<Control>), Violation> {
    let (mut input, mut payload, mut wanted) = (Input::default(), Vec::new(), Vec::new());
    for some in bytes.chunks(piece) {
        let mut some = some.to_vec();
        let kept = input.unwrap(&mut some, |control| wanted.push(control))?;
        payload.extend_from_slice(&some[..kept]);
    }
    assert_eq!(input.held_bytes(), 0, "nothing is held between frames");
    Ok((payload, wanted))
}

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

#[test]
fn frames_are_payload_wherever_the_bytes_are_cut() {
    let long = vec![7; 70_000];
    let middling: Vec<u8> = (0..300).map(|number| number as u8).collect();
    let ping = Control::Ping((*b"are you there").into());
    let all = [
        frame(0x82, MASK, b"one"),
        frame(0x02, MASK, b"two, "),
        frame(0x89, MASK, b"are you there"),
        frame(0x00, [0; 4], b""),
        frame(0x8A, MASK, b"a pong nobody asked for"),
        frame(0x80, MASK, b"and its end"),
        frame(0x82, MASK, &middling),
        frame(0x82, MASK, &long),
        frame(0x88, MASK, &[0x03, 0xE8, b'b', b'y', b'e']),
        frame(0x82, MASK, b"never seen"),
    ]
    .concat();
    let expected = [b"onetwo, and its end".as_slice(), &middling, &long].concat();
    for piece in [1, 2, 3, 7, 1000, all.len()] {
        let (payload, wanted) = feed(&all, piece).unwrap();
        assert!(payload == expected, "pieces of {piece}");
        assert_eq!(wanted, [ping.clone(), Control::Close(Some(1000))], "pieces of {piece}");
    }
}

#[test]
fn who_breaks_the_rules_of_rfc_6455_is_told_which() {
    let mut unmasked = frame(0x82, MASK, b"x");
    unmasked[1] &= 0x7F;
    let cases: &[(&str, Vec<u8>, Violation)] = &[
        ("[MQTT-6.0.0-1]", frame(0x81, MASK, b"text"), Violation::Text),
        ("section 5.1", unmasked, Violation::Unmasked),
        ("section 5.2, RSV1", frame(0xC2, MASK, b"deflated"), Violation::ReservedBits),
        ("section 5.2, RSV3", frame(0x92, MASK, b""), Violation::ReservedBits),
        ("section 5.2, opcode", frame(0x83, MASK, b""), Violation::UnknownOpcode(3)),
        ("section 5.2, control opcode", frame(0x8B, MASK, b""), Violation::UnknownOpcode(11)),
        ("section 5.5, ping", frame(0x09, MASK, b""), Violation::ControlFragmented),
        ("section 5.5, length", frame(0x89, MASK, &[0; 126]), Violation::ControlTooLong),
        ("section 5.4, continuation", frame(0x80, MASK, b""), Violation::StrayContinuation),
        (
            "section 5.4, interleaved",
            [frame(0x02, MASK, b"a"), frame(0x82, MASK, b"b")].concat(),
            Violation::Interleaved,
        ),
        ("section 5.2, 125 in two bytes", vec![0x82, 0xFE, 0, 125, 0, 0, 0, 0], Violation::Length),
        (
            "section 5.2, 65535 in eight bytes",
            vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0],
            Violation::Length,
        ),
        (
            "section 5.2, most significant bit",
            vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            Violation::Length,
        ),
        ("section 5.5.1, one byte", frame(0x88, MASK, &[3]), Violation::CloseMalformed),
        ("section 7.4.1, 1005 is never sent", frame(0x88, MASK, &[3, 0xED]), Violation::CloseMalformed),
        ("section 5.5.1, reason", frame(0x88, MASK, &[3, 0xE8, 0xFF]), Violation::CloseMalformed),
    ];
    for (clause, bytes, expected) in cases {
        for piece in [1, bytes.len()] {
            assert_eq!(feed(bytes, piece).unwrap_err(), *expected, "{clause}");
        }
        assert_eq!(expected.status(), if *expected == Violation::Text { 1003 } else { 1002 }, "{clause}");
    }
}

#[test]
fn the_longest_frame_costs_nothing() {
    let mut input = Input::default();
    let mut bytes = [vec![0x82, 0xFF, 0x7F], vec![0xFF; 7], vec![0; 4], vec![9; 100]].concat();
    assert_eq!(input.unwrap(&mut bytes, |_| ()).unwrap(), 100);
    assert_eq!(input.held_bytes(), 0);
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        frames in proptest::collection::vec((0_usize..8, any::<[u8; 4]>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..6),
        piece in 1_usize..40,
    ) {
        let firsts = [0x82, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x82, 0x88];
        let framed = frames.iter().flat_map(|(kind, mask, payload)| frame(firsts[*kind], *mask, payload));
        let all: Vec<u8> = framed.chain(bytes).collect();
        let run = |piece: usize| {
            let (mut input, mut payload, mut wanted) = (Input::default(), Vec::new(), Vec::new());
            let mut violation = None;
            for some in all.chunks(piece.max(1)) {
                let mut some = some.to_vec();
                match input.unwrap(&mut some, |control| wanted.push(control)) {
                    Ok(kept) => payload.extend_from_slice(&some[..kept]),
                    Err(found) => { violation = Some(found); break }
                }
            }
            (violation, wanted, payload)
        };
        let (whole_violation, whole_wanted, whole_payload) = run(all.len());
        let (violation, wanted, payload) = run(piece);
        prop_assert_eq!(violation, whole_violation);
        prop_assert_eq!(wanted, whole_wanted);
        // The payload before a violation in the same piece is not handed on, for the connection is over.
        prop_assert!(payload.starts_with(&whole_payload));
        if violation.is_none() {
            prop_assert_eq!(payload, whole_payload);
        }
    }
}
