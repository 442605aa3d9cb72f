//! Whatever comes, the codec answers: it does not panic, and what it accepts it can write again.

use crate::generate::versioned;
use bytes::BytesMut;
use mqtt::{Version, bytes_missing, check_from_client, decode, encode, topic};
use proptest::prelude::*;

const LIMIT: usize = 4096;

fn versions() -> impl Strategy<Value = Option<Version>> {
    prop_oneof![Just(None), Just(Some(Version::V3_1_1)), Just(Some(Version::V5))]
}

/// Decodes until the bytes end or are refused; what is accepted must mean the same after it was written again.
fn drain(bytes: &[u8], version: Option<Version>) {
    let mut buffer = BytesMut::from(bytes);
    loop {
        let _ = bytes_missing(&buffer, version, LIMIT);
        let length = buffer.len();
        match decode(&mut buffer, version, LIMIT) {
            Ok(Some(packet)) => {
                assert!(buffer.len() < length);
                let version = version.unwrap_or(Version::V5);
                let mut again = BytesMut::new();
                encode(&packet, version, &mut again).unwrap_or_else(|error| panic!("{packet:?}: {error}"));
                assert_eq!(decode(&mut again, Some(version), LIMIT), Ok(Some(packet.clone())));
                let _ = check_from_client(&packet, version);
                if let Some(properties) = packet.properties() {
                    let _ = properties.iter().count();
                }
            }
            Ok(None) => return,
            Err(error) => {
                let _ = error.to_string();
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in versions()) {
        drain(&bytes, version);
    }

    #[test]
    fn arbitrary_bodies_never_panic(first in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..100), version in versions()) {
        let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
        bytes.extend(body);
        drain(&bytes, version);
    }

    #[test]
    fn mutated_packets_never_panic(
        (packet, version) in versioned(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut buffer = BytesMut::new();
        encode(&packet, version, &mut buffer).unwrap();
        let mut bytes = buffer.to_vec();
        for (index, value, action) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match action {
                0 => bytes[at] = value,
                1 => bytes[at] ^= 1 << (value & 7),
                2 => bytes.insert(at, value),
                _ => { bytes.remove(at); }
            }
        }
        drain(&bytes, Some(version));
        drain(&bytes, None);
    }

    #[test]
    fn topics_never_panic(filter in "[a$/+#é]{0,12}", name in "[a$/é]{0,12}") {
        let text = mqtt::Text::try_from(filter).unwrap();
        let _ = topic::check_name(&name);
        if let Ok(filter) = topic::Filter::parse(&text) {
            let _ = filter.matches(&name);
        }
    }
}
