//! A stream over a pipe: what the program reads and writes, and what the client sees.

use super::frames::frame;
use crate::Stream;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const MASK: [u8; 4] = [1, 2, 3, 4];

fn pair(pipe_bytes: usize) -> (Stream<DuplexStream>, DuplexStream) {
    let (ours, peer) = tokio::io::duplex(pipe_bytes);
    (Stream::new(ours, Bytes::new()), peer)
}

async fn exactly(peer: &mut DuplexStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    peer.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn what_came_with_the_handshake_is_read_first() {
    let (ours, mut peer) = tokio::io::duplex(1024);
    let early = frame(0x82, MASK, b"early");
    let (first, second) = early.split_at(4);
    let mut stream = Stream::new(ours, Bytes::copy_from_slice(first));
    peer.write_all(second).await.unwrap();
    let mut read = [0; 5];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"early");
    assert_eq!(stream.held_bytes(), 0);
}

#[tokio::test]
async fn an_idle_stream_holds_nothing_whatever_went_before() {
    assert!(size_of::<Stream<()>>() <= 192, "{}", size_of::<Stream<()>>());
    // A pipe so small that nothing is taken at once.
    let (mut stream, mut peer) = pair(7);
    let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let mut bytes = Vec::new();
    for some in sent.chunks(30_000) {
        bytes.extend(frame(0x82, MASK, some));
        bytes.extend(frame(0x89, MASK, b"ping"));
    }
    let client = tokio::spawn(async move {
        let (mut reading, mut writing) = tokio::io::split(peer);
        let answers = tokio::spawn(async move {
            let mut answers = Vec::new();
            let mut some = [0; 64];
            while !answers.ends_with(b"\x82\x03end") {
                let count = reading.read(&mut some).await.unwrap();
                answers.extend_from_slice(&some[..count]);
            }
            (answers, reading)
        });
        writing.write_all(&bytes).await.unwrap();
        let (answers, reading) = answers.await.unwrap();
        peer = reading.unsplit(writing);
        (answers, peer)
    });
    let mut received = vec![0; sent.len()];
    stream.read_exact(&mut received).await.unwrap();
    assert!(received == sent);
    let long = vec![9; 50_000];
    stream.write_all(&long).await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(stream);
    writing.write_all(b"end").await.unwrap();
    // The last ping is answered while reading.
    let read = tokio::spawn(async move {
        let mut none = [0; 1];
        assert_eq!(reading.read(&mut none).await.unwrap(), 0);
        reading
    });
    writing.flush().await.unwrap();
    let (answers, peer) = client.await.unwrap();
    drop(peer);
    let stream = read.await.unwrap().unsplit(writing);
    assert_eq!(stream.held_bytes(), 0);
    assert!(answers.windows(6).any(|some| some == b"\x8A\x04ping"), "a ping was answered");
    let carried: usize = answers.iter().filter(|byte| **byte == 9).count();
    assert!(carried >= long.len());
}

#[tokio::test]
async fn what_is_written_comes_in_whole_frames_even_if_the_writer_stops() {
    let (mut stream, mut peer) = pair(16);
    // More than the pipe takes: the frame is begun, and the writer has handed over all of it.
    assert_eq!(stream.write(&[5; 200]).await.unwrap(), 200);
    assert!(stream.held_bytes() > 0);
    let closing = tokio::spawn(async move {
        stream.shutdown().await.unwrap();
        stream
    });
    exactly(&mut peer, &[vec![0x82, 126, 0, 200], vec![5; 200]].concat()).await;
    exactly(&mut peer, &[0x88, 2, 0x03, 0xE8]).await;
    assert_eq!(closing.await.unwrap().held_bytes(), 0);
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_close_frame_is_answered_and_ends_the_stream() {
    let (mut stream, mut peer) = pair(1024);
    let bytes = [frame(0x82, MASK, b"last"), frame(0x88, MASK, &[0x0F, 0xA0])].concat();
    peer.write_all(&bytes).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last");
    exactly(&mut peer, &[0x88, 2, 0x0F, 0xA0]).await;
    assert_eq!(stream.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    stream.shutdown().await.unwrap();
    assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0, "only one close frame is sent");
}

#[tokio::test]
async fn who_breaks_the_rules_is_closed_with_the_reason() {
    for (first, status) in [(0x81_u8, 1003_u16), (0x83, 1002)] {
        let (mut stream, mut peer) = pair(1024);
        peer.write_all(&frame(first, MASK, b"x")).await.unwrap();
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        stream.shutdown().await.unwrap();
        exactly(&mut peer, &[&[0x88, 2], status.to_be_bytes().as_slice()].concat()).await;
    }
}

#[tokio::test]
async fn a_client_that_pings_and_never_reads_is_kept_to_one_answer() {
    let (mut stream, mut peer) = pair(64);
    let reading = tokio::spawn(async move {
        let mut none = [0; 1];
        let read = stream.read(&mut none).await.unwrap();
        (read, stream)
    });
    for _ in 0..200 {
        peer.write_all(&frame(0x89, MASK, &[1; 125])).await.unwrap();
    }
    peer.write_all(&frame(0x82, MASK, b"x")).await.unwrap();
    let (read, stream) = reading.await.unwrap();
    assert_eq!(read, 1);
    assert!(stream.held_bytes() <= 2 * 1024, "{}", stream.held_bytes());
}
