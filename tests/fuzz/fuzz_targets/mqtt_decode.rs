//! Arbitrary bytes as MQTT, in each version: nothing panics, decoding takes bytes or waits, and what is accepted means the same after it
//! was written again.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mqtt::{Packet, Version, bytes_missing, check_from_client, decode, encode, encoded_bytes};

const PACKET_BYTES_MAX: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    for version in [None, Some(Version::V3_1_1), Some(Version::V5)] {
        drain(bytes, version);
    }
});

fn drain(bytes: &[u8], version: Option<Version>) {
    let mut buffer = BytesMut::from(bytes);
    loop {
        let missing = bytes_missing(&buffer, version, PACKET_BYTES_MAX);
        let before = buffer.len();
        match decode(&mut buffer, version, PACKET_BYTES_MAX) {
            Ok(Some(packet)) => {
                assert_eq!(missing, Ok(0));
                assert!(buffer.len() < before, "a packet takes at least its fixed header");
                check_again(&packet, version);
            }
            Ok(None) => {
                assert!(missing.is_ok_and(|missing| missing > 0));
                assert_eq!(buffer.len(), before, "an incomplete packet is left where it is");
                return;
            }
            Err(error) => {
                assert!(error.reason_code().is_error());
                assert!(!error.to_string().is_empty());
                return;
            }
        }
    }
}

fn check_again(packet: &Packet, version: Option<Version>) {
    // Before the version is known only a CONNECT is decoded, and that names its own.
    let version = version.unwrap_or(Version::V5);
    let mut written = BytesMut::new();
    encode(packet, version, &mut written).expect("what was decoded can be encoded");
    assert_eq!(written.len(), encoded_bytes(packet, version));
    let read = decode(&mut written, Some(version), usize::MAX);
    assert_eq!(read.as_ref(), Ok(&Some(packet.clone())));
    assert!(written.is_empty());
    let _ = check_from_client(packet, version);
    for property in packet.properties().iter().flat_map(|properties| properties.iter()) {
        assert!(!property.name().is_empty());
    }
    if let Packet::Publish(publish) = packet {
        assert_eq!(publish.properties.forwarded().topic_alias(), None);
        let _ = publish.payload_format_holds();
    }
}
