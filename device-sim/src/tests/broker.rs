//! A very small MQTT server that answers publishes and breaks connections as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use rumqttc::QoS;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const PACKET_BYTES_MAX: usize = 1 << 20;

/// What it does to its clients.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manners {
    /// Breaks every connection after this many publishes on it, without answering the last.
    pub(crate) cut_after: Option<u64>,
    /// Forgets sessions when a connection ends.
    pub(crate) forgets: bool,
    /// After this many publishes in all it answers nobody any more.
    pub(crate) dies_after: Option<u64>,
}

/// What it saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Client id → the packet ids of its session that were received and not acknowledged.
    sessions: BTreeMap<String, BTreeSet<u16>>,
    /// Client id and sequence number of everything it acknowledged.
    pub(crate) acknowledged: BTreeSet<(String, u64)>,
    /// Client id and sequence number of everything it received.
    received: BTreeSet<(String, u64)>,
    /// Messages that came for the first time after a later one of their device [MQTT-4.6.0-1].
    pub(crate) out_of_order: u64,
    pub(crate) publishes: u64,
    pub(crate) duplicates: u64,
    /// A packet came again without DUP, or for the first time with it [MQTT-3.3.1-1].
    pub(crate) wrong_duplicate_flags: u64,
    /// What a target would have received, first deliveries and repeats, in order.
    pub(crate) bodies: Vec<Bytes>,
}

pub(crate) struct Broker {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Broker {
    /// Serves until the test's runtime ends.
    pub(crate) async fn start(manners: Manners, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => drop(serve(stream, manners, &seen).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(serve(stream, manners, &seen).await);
                            }
                        }
                    }
                });
            }
        });
        Self { port, seen }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manners: Manners,
    seen: &Mutex<Seen>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut buffer = BytesMut::new();
    let mut client = String::new();
    let mut here = 0;
    loop {
        let packet = match Packet::read(&mut buffer, PACKET_BYTES_MAX) {
            Err(Error::InsufficientBytes(_)) => {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
                continue;
            }
            packet => packet?,
        };
        let answer = match packet {
            Packet::Connect(connect) => {
                client.clone_from(&connect.client_id);
                let mut seen = seen.lock();
                let present =
                    !connect.clean_session && !manners.forgets && seen.sessions.contains_key(&client);
                if !present {
                    seen.sessions.insert(client.clone(), BTreeSet::new());
                }
                Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, present))
            }
            Packet::Publish(publish) => {
                here += 1;
                let mut seen = seen.lock();
                if manners.dies_after.is_some_and(|publishes| seen.publishes >= publishes) {
                    return Ok(());
                }
                seen.receive(&client, &publish);
                if manners.cut_after == Some(here) {
                    return Ok(());
                }
                match publish.qos {
                    QoS::AtMostOnce => continue,
                    QoS::AtLeastOnce => seen.acknowledge(&client, &publish),
                    QoS::ExactlyOnce => {
                        seen.acknowledge(&client, &publish);
                        Packet::PubRec(PubRec::new(publish.pkid))
                    }
                }
            }
            Packet::PubRel(release) => Packet::PubComp(PubComp::new(release.pkid)),
            Packet::PingReq => Packet::PingResp,
            _ => return Ok(()),
        };
        let mut bytes = BytesMut::new();
        answer.write(&mut bytes, PACKET_BYTES_MAX)?;
        stream.write_all(&bytes).await?;
    }
}

impl Seen {
    fn receive(&mut self, client: &str, publish: &Publish) {
        self.publishes += 1;
        self.duplicates += u64::from(publish.dup);
        self.bodies.push(publish.payload.clone());
        let sequence = sequence(publish);
        if self.received.insert((client.to_owned(), sequence)) {
            let later = (client.to_owned(), sequence + 1)..=(client.to_owned(), u64::MAX);
            self.out_of_order += u64::from(self.received.range(later).next().is_some());
        }
        let first =
            publish.qos == QoS::AtMostOnce || self.sessions.get_mut(client).unwrap().insert(publish.pkid);
        // A packet that was lost on its way comes with DUP, but for the first time as this server sees it.
        self.wrong_duplicate_flags += u64::from(!first && !publish.dup);
    }

    fn acknowledge(&mut self, client: &str, publish: &Publish) -> Packet {
        self.sessions.get_mut(client).unwrap().remove(&publish.pkid);
        self.acknowledged.insert((client.to_owned(), sequence(publish)));
        Packet::PubAck(PubAck::new(publish.pkid))
    }
}

fn sequence(publish: &Publish) -> u64 {
    let body: Value = serde_json::from_slice(&publish.payload).unwrap();
    body["sequence"].as_u64().unwrap()
}
