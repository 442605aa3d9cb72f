//! Two other codecs, reduced to one question: does it take these bytes as exactly one packet, and how does it write it again?

use bytes::BytesMut;
use mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};
use rmqtt_codec::{v3, v5};
use std::sync::Arc;
use tokio_util::codec::{Decoder, Encoder};

const LIMIT: u32 = 1 << 20;

/// rmqtt-codec: `None` when it refuses the bytes, leaves some of them, or waits for more.
pub(crate) fn rmqtt(bytes: &[u8], version: Version) -> Option<BytesMut> {
    let mut buffer = BytesMut::from(bytes);
    let mut out = BytesMut::new();
    match version {
        Version::V3_1_1 => {
            let (packet, _) = v3::Codec::new(LIMIT).decode(&mut buffer).ok()??;
            v3::Codec::new(LIMIT).encode(packet, &mut out).ok()?;
        }
        Version::V5 => {
            let (packet, _) = v5::Codec::new(LIMIT, LIMIT).decode(&mut buffer).ok()??;
            v5::Codec::new(LIMIT, LIMIT).encode(packet, &mut out).ok()?;
        }
    }
    buffer.is_empty().then_some(out)
}

/// The packet layer of mqtt-protocol-core, which takes a body without its fixed header; reading that is up to its caller, so the header
/// is taken to be right here. `None` when it refuses the body or leaves bytes of it.
pub(crate) fn protocol_core(bytes: &[u8], version: Version) -> Option<Vec<u8>> {
    let length_bytes = bytes[1..].iter().position(|byte| byte & 0x80 == 0)? + 1;
    let body = &bytes[1 + length_bytes..];
    macro_rules! parse {
        ($packet:ty) => {
            <$packet>::parse(body).ok().map(|(packet, used)| (packet.to_continuous_buffer(), used))
        };
    }
    macro_rules! shared {
        ($layer:ident) => {
            match bytes[0] >> 4 {
                1 => parse!($layer::Connect),
                2 => parse!($layer::Connack),
                3 => $layer::Publish::parse(bytes[0] & 0x0F, Arc::from(body))
                    .ok()
                    .map(|(packet, used)| (packet.to_continuous_buffer(), used)),
                4 => parse!($layer::Puback),
                5 => parse!($layer::Pubrec),
                6 => parse!($layer::Pubrel),
                7 => parse!($layer::Pubcomp),
                8 => parse!($layer::Subscribe),
                9 => parse!($layer::Suback),
                10 => parse!($layer::Unsubscribe),
                11 => parse!($layer::Unsuback),
                12 => parse!($layer::Pingreq),
                13 => parse!($layer::Pingresp),
                14 => parse!($layer::Disconnect),
                _ => None,
            }
        };
    }
    let (written, used) = match version {
        Version::V3_1_1 => shared!(v3_1_1)?,
        Version::V5 if bytes[0] >> 4 == 15 => parse!(v5_0::Auth)?,
        Version::V5 => shared!(v5_0)?,
    };
    (used == body.len()).then_some(written)
}
