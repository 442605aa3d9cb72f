//! Arbitrary bytes as the frames of a client: nothing panics, and wherever the bytes are cut the same comes out of them. Only what came in the
//! same piece as a broken rule is lost, for the connection is over then.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};
use websocket::Stream;

fuzz_target!(|bytes: &[u8]| {
    let (whole, ended_well) = read(bytes, bytes.len().max(1));
    for piece in [1, 2, 7, 64] {
        let (payload, as_well) = read(bytes, piece);
        assert_eq!(as_well, ended_well);
        assert!(payload.starts_with(&whole), "in pieces of {piece}");
        assert!(!ended_well || payload == whole, "in pieces of {piece}");
    }
});

/// The payload, read in pieces of so many bytes, and whether it ended without a broken rule.
fn read(bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let mut stream = Stream::new(tokio::io::join(bytes, tokio::io::sink()), Bytes::new());
    let mut context = Context::from_waker(Waker::noop());
    let mut space = vec![0; piece];
    let mut payload = Vec::new();
    loop {
        let mut read = ReadBuf::new(&mut space);
        match Pin::new(&mut stream).poll_read(&mut context, &mut read) {
            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                assert!(stream.held_bytes() <= 256, "little is held, whatever came");
                return (payload, true);
            }
            Poll::Ready(Ok(())) => payload.extend_from_slice(read.filled()),
            Poll::Ready(Err(_)) => return (payload, false),
            // It gives others a turn after many frames without payload.
            Poll::Pending => {}
        }
    }
}
