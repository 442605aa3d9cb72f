//! What is written is read back.

use crate::generate::{packet, versioned};
use crate::vectors::LIMIT;
use bytes::BytesMut;
use mqtt::{Packet, Properties, Version, decode, encode, encoded_bytes};
use proptest::prelude::*;

proptest! {
    #[test]
    fn mqtt_5_loses_nothing(packet in packet()) {
        let mut buffer = BytesMut::new();
        encode(&packet, Version::V5, &mut buffer).unwrap();
        prop_assert_eq!(buffer.len(), encoded_bytes(&packet, Version::V5));
        prop_assert_eq!(decode(&mut buffer, Some(Version::V5), LIMIT), Ok(Some(packet)));
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn either_version_reads_its_own_writing((packet, version) in versioned()) {
        let mut first = BytesMut::new();
        encode(&packet, version, &mut first).unwrap();
        let written = first.clone();
        let read = decode(&mut first, Some(version), LIMIT).unwrap().unwrap();
        let mut second = BytesMut::new();
        encode(&read, version, &mut second).unwrap();
        prop_assert_eq!(written, second);
        if version == Version::V3_1_1 {
            prop_assert!(read.properties().is_none_or(Properties::is_empty));
        }
        prop_assert_eq!(read.packet_type(), packet.packet_type());
    }

    #[test]
    fn properties_are_rebuilt_from_what_is_read(packet in packet()) {
        if let Some(properties) = packet.properties() {
            prop_assert_eq!(&properties.iter().collect::<Properties>(), properties);
        }
    }

    #[test]
    fn several_packets_in_one_buffer_are_read_in_order(packets in proptest::collection::vec(packet(), 1..6)) {
        let mut buffer = BytesMut::new();
        for packet in &packets {
            encode(packet, Version::V5, &mut buffer).unwrap();
        }
        let read = std::iter::from_fn(|| decode(&mut buffer, Some(Version::V5), LIMIT).unwrap());
        prop_assert_eq!(read.collect::<Vec<Packet>>(), packets);
    }
}
