//! A QoS 1 publish with 128 bytes of payload, read and written again, 64 in one buffer; beside it rmqtt-codec on the same bytes, and the
//! fan-out of one message. Compare within one run: ratios hold on any machine, times do not.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mqtt::{
    Packet, PacketId, Properties, Property, Publish, PublishCopy, Qos, Text, Version, decode, encode,
    encode_publish,
};
use rmqtt_codec::{v3, v5};
use std::hint::black_box;
use tokio_util::codec::{Decoder, Encoder};

const PACKETS: usize = 64;
const LIMIT: usize = 1 << 20;
const LIMIT_RMQTT: u32 = 1 << 20;

fn text(text: &'static str) -> Text {
    Text::from_static(text).expect("the literals of this file are legal")
}

fn message(properties: Properties) -> Publish {
    Publish {
        dup: false,
        qos: Qos::AtLeastOnce,
        retain: false,
        topic: text("plant/line-3/kiln-17/telemetry"),
        packet_id: Some(PacketId::FIRST),
        properties,
        payload: Bytes::from(vec![b'x'; 128]),
    }
}

fn with_properties() -> Properties {
    [
        Property::MessageExpiryInterval(60),
        Property::UserProperty(text("traceparent"), text("00-4bf92f3577b34da6-01")),
    ]
    .into_iter()
    .collect()
}

fn cases() -> [(&'static str, Version, Publish); 3] {
    [
        ("v3", Version::V3_1_1, message(Properties::default())),
        ("v5", Version::V5, message(Properties::default())),
        ("v5-properties", Version::V5, message(with_properties())),
    ]
}

fn ours(input: &[u8], out: &mut BytesMut, version: Version) {
    let mut buffer = BytesMut::from(input);
    out.clear();
    while let Ok(Some(packet)) = decode(&mut buffer, Some(version), LIMIT) {
        encode(&packet, version, out).expect("what was decoded can be encoded");
    }
}

fn rmqtt(input: &[u8], out: &mut BytesMut, version: Version) {
    let mut buffer = BytesMut::from(input);
    out.clear();
    match version {
        Version::V3_1_1 => {
            let mut codec = v3::Codec::new(LIMIT_RMQTT);
            while let Ok(Some((packet, _))) = codec.decode(&mut buffer) {
                codec.encode(packet, out).expect("what was decoded can be encoded");
            }
        }
        Version::V5 => {
            let mut codec = v5::Codec::new(LIMIT_RMQTT, LIMIT_RMQTT);
            while let Ok(Some((packet, _))) = codec.decode(&mut buffer) {
                codec.encode(packet, out).expect("what was decoded can be encoded");
            }
        }
    }
}

fn decode_and_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode and encode");
    group.throughput(Throughput::Elements(PACKETS as u64));
    for (name, version, publish) in cases() {
        let mut input = BytesMut::new();
        for _ in 0..PACKETS {
            encode(&Packet::Publish(publish.clone()), version, &mut input).expect("the message is legal");
        }
        let mut out = BytesMut::with_capacity(input.len());
        for (codec, run) in [("ours", ours as fn(&[u8], &mut BytesMut, Version)), ("rmqtt-codec", rmqtt)] {
            run(&input, &mut out, version);
            assert_eq!(out, input, "{codec} writes what it read");
            group.bench_function(BenchmarkId::new(codec, name), |bencher| {
                bencher.iter(|| run(black_box(&input), &mut out, version));
            });
        }
    }
    group.finish();
}

fn decode_alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(PACKETS as u64));
    for (name, version, publish) in cases() {
        let mut input = BytesMut::new();
        for _ in 0..PACKETS {
            encode(&Packet::Publish(publish.clone()), version, &mut input).expect("the message is legal");
        }
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut buffer = BytesMut::from(&input[..]);
                while let Ok(Some(packet)) = decode(&mut buffer, Some(version), LIMIT) {
                    black_box(packet);
                }
            });
        });
    }
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan out");
    group.throughput(Throughput::Elements(1));
    for (name, version, publish) in cases() {
        let copy = PublishCopy {
            topic: &publish.topic,
            properties: &publish.properties,
            payload: &publish.payload,
            dup: false,
            qos: publish.qos,
            retain: false,
            packet_id: publish.packet_id,
            alias: None,
            subscription_ids: &[],
            message_expiry_secs: None,
        };
        let own = PublishCopy { subscription_ids: &[7], message_expiry_secs: Some(59), ..copy };
        let mut out = BytesMut::with_capacity(4096);
        for (form, copy) in [("as published", copy), ("identifier and expiry", own)] {
            group.bench_function(BenchmarkId::new(form, name), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    encode_publish(black_box(&copy), version, &mut out).expect("the copy is legal");
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decode_and_encode, decode_alone, fan_out);
criterion_main!(benches);
