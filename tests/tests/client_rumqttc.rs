//! rumqttc, the client of Rust. Its own TLS is switched off, as in the device simulator: it would bring another cryptography provider. A
//! bridge in this process carries its bytes over TLS, with the certificate of a device.
//!
//! Its WebSocket is left out: the feature `websocket` needs ws_stream_tungstenite, async_io_stream and pharos, all under the Unlicense, which
//! is not among the licences that `deny.toml` allows, and `cargo deny check` looks at what tests use as well. paho-mqtt and MQTT.js play the
//! scenario over WebSocket.

use anyhow::Context;
use end_to_end::{Phase, Site, TlsOptions, play, wait};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const COUNT: usize = 10;
const END: &str = "end";
const KEEP_SECS: u32 = 3600;
const SAID_MAX: usize = 1024;

/// What a client says of itself, whichever version it speaks.
#[derive(Debug)]
enum Said {
    Connected {
        session_present: bool,
    },
    Subscribed {
        at_qos_2: bool,
    },
    Acknowledged,
    Heard(Message),
    /// It has said the last word about a message at QoS 2 that it heard.
    Completed,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    payload: String,
    qos: u8,
    retain: bool,
}

#[derive(Debug, Clone, Copy)]
enum Version {
    V3,
    V5,
}

/// How to reach the gateway.
#[derive(Debug, Clone, Copy)]
struct Way {
    version: Version,
    port: u16,
}

enum Handle {
    V3(rumqttc::AsyncClient),
    V5(rumqttc::v5::AsyncClient),
}

struct Client {
    handle: Handle,
    said: mpsc::Receiver<Said>,
    heard: Vec<Message>,
    completed: usize,
    polling: JoinHandle<()>,
}

/// Passes on what an event loop of either version says, until its connection ends.
macro_rules! pass_on {
    ($events:ident, $said:ident, $event:ident, $packet:ident, $granted:expr) => {
        tokio::spawn(async move {
            while let Ok(event) = $events.poll().await {
                let saying = match event {
                    $event::Incoming($packet::ConnAck(connack)) => {
                        Said::Connected { session_present: connack.session_present }
                    }
                    $event::Incoming($packet::SubAck(suback)) => {
                        Said::Subscribed { at_qos_2: suback.return_codes == [$granted] }
                    }
                    $event::Incoming($packet::PubAck(_) | $packet::PubComp(_)) => Said::Acknowledged,
                    $event::Incoming($packet::Publish(publish)) => Said::Heard(Message {
                        payload: String::from_utf8_lossy(&publish.payload).into_owned(),
                        qos: publish.qos as u8,
                        retain: publish.retain,
                    }),
                    $event::Outgoing(rumqttc::Outgoing::PubComp(_)) => Said::Completed,
                    _ => continue,
                };
                if $said.send(saying).await.is_err() {
                    return;
                }
            }
        })
    };
}

fn start_v3(id: &str, port: u16, keep: bool, will: Option<&str>) -> Client {
    use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, QoS, SubscribeReasonCode};
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_clean_session(!keep).set_keep_alive(Duration::from_secs(30));
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, false));
    }
    let (client, mut events) = AsyncClient::new(options, 64);
    let (saying, said) = mpsc::channel(SAID_MAX);
    let polling = pass_on!(events, saying, Event, Packet, SubscribeReasonCode::Success(QoS::ExactlyOnce));
    Client { handle: Handle::V3(client), said, heard: Vec::new(), completed: 0, polling }
}

fn start_v5(id: &str, port: u16, keep: bool, will: Option<&str>) -> Client {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, SubscribeReasonCode};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_clean_start(!keep).set_keep_alive(Duration::from_secs(30));
    options.set_session_expiry_interval(keep.then_some(KEEP_SECS));
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, false, None));
    }
    let (client, mut events) = AsyncClient::new(options, 64);
    let (saying, said) = mpsc::channel(SAID_MAX);
    let polling = pass_on!(events, saying, Event, Packet, SubscribeReasonCode::Success(QoS::ExactlyOnce));
    Client { handle: Handle::V5(client), said, heard: Vec::new(), completed: 0, polling }
}

impl Client {
    fn start(way: Way, name: &str, keep: bool, will: Option<&str>) -> Self {
        let id = format!("kiln-1-{name}");
        match way.version {
            Version::V3 => start_v3(&id, way.port, keep, will),
            Version::V5 => start_v5(&id, way.port, keep, will),
        }
    }

    async fn clean(way: Way, name: &str) -> anyhow::Result<Self> {
        let mut client = Self::start(way, name, false, None);
        anyhow::ensure!(!client.connected().await?, "a clean session is new");
        Ok(client)
    }

    /// The next thing it says; messages are kept.
    async fn said(&mut self) -> anyhow::Result<Option<Said>> {
        match tokio::time::timeout(wait::SOON, self.said.recv()).await?.context("the connection ended")? {
            Said::Heard(message) => self.heard.push(message),
            Said::Completed => self.completed += 1,
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    /// The next thing it says that is not about what it hears.
    async fn next(&mut self) -> anyhow::Result<Said> {
        loop {
            if let Some(said) = self.said().await? {
                return Ok(said);
            }
        }
    }

    /// Whether the session was there already.
    async fn connected(&mut self) -> anyhow::Result<bool> {
        match self.next().await? {
            Said::Connected { session_present } => Ok(session_present),
            other => anyhow::bail!("{other:?} instead of CONNACK"),
        }
    }

    async fn subscribe(&mut self, filter: &str) -> anyhow::Result<()> {
        match &self.handle {
            Handle::V3(client) => client.subscribe(filter, rumqttc::QoS::ExactlyOnce).await?,
            Handle::V5(client) => {
                client.subscribe(filter, rumqttc::v5::mqttbytes::QoS::ExactlyOnce).await?;
            }
        }
        let said = self.next().await?;
        anyhow::ensure!(matches!(said, Said::Subscribed { at_qos_2: true }), "{said:?} instead of SUBACK");
        Ok(())
    }

    async fn publish(&mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> anyhow::Result<()> {
        match &self.handle {
            Handle::V3(client) => {
                let qos = rumqttc::qos(qos).context("a quality of service")?;
                client.publish(topic, qos, retain, payload).await?;
            }
            Handle::V5(client) => {
                let qos = rumqttc::v5::mqttbytes::qos(qos).context("a quality of service")?;
                client.publish(topic, qos, retain, payload.to_string()).await?;
            }
        }
        if qos > 0 {
            let said = self.next().await?;
            anyhow::ensure!(matches!(said, Said::Acknowledged), "{said:?} instead of an acknowledgement");
        }
        Ok(())
    }

    /// Everything up to the last message, sent at QoS 2 after all others. Every exchange is complete then: this library keeps no state
    /// of its own over connections, and would take a PUBREL of a later one for a mistake.
    async fn hear_the_end(&mut self) -> anyhow::Result<Vec<Message>> {
        let exchanges = |heard: &[Message]| heard.iter().filter(|message| message.qos == 2).count();
        while self.heard.last().is_none_or(|message| message.payload != END)
            || self.completed < exchanges(&self.heard)
        {
            let said = self.said().await?;
            anyhow::ensure!(said.is_none(), "{said:?} instead of a message");
        }
        self.heard.pop();
        Ok(std::mem::take(&mut self.heard))
    }

    async fn leave(self) -> anyhow::Result<()> {
        match &self.handle {
            Handle::V3(client) => client.disconnect().await?,
            Handle::V5(client) => client.disconnect().await?,
        }
        Ok(tokio::time::timeout(wait::SOON, self.polling).await??)
    }
}

/// How many different ones at each quality of service, and how many came again.
fn counted(messages: &[Message]) -> (BTreeMap<String, usize>, usize) {
    let different: BTreeSet<&Message> = messages.iter().collect();
    let mut by_qos = BTreeMap::new();
    different.iter().for_each(|message| *by_qos.entry(message.qos.to_string()).or_default() += 1);
    (by_qos, messages.len() - different.len())
}

async fn live(way: Way) -> anyhow::Result<Value> {
    let mut both = Client::clean(way, "both").await?;
    both.subscribe("scenario/both/#").await?;
    for qos in 0..=2 {
        for number in 0..COUNT {
            both.publish("scenario/both/ways", &format!("{qos}-{number}"), qos, false).await?;
        }
    }
    both.publish("scenario/both/ways", END, 2, false).await?;
    let (heard, repeated) = counted(&both.hear_the_end().await?);
    both.leave().await?;
    let (early, late) = retained(way).await?;
    let (shared, members_served) = shared(way).await?;
    Ok(json!({
        "heard": heard, "repeated": repeated,
        "retained": early, "retained_after_clearing": late,
        "will": will(way).await?,
        "shared": shared, "members_served": members_served,
    }))
}

async fn retained(way: Way) -> anyhow::Result<(usize, usize)> {
    let mut publisher = Client::clean(way, "retainer").await?;
    let mut counts = [0; 2];
    for (count, payload) in counts.iter_mut().zip(["kept", ""]) {
        publisher.publish("scenario/retained", payload, 1, true).await?;
        let mut subscriber = Client::clean(way, "later").await?;
        subscriber.subscribe("scenario/retained").await?;
        publisher.publish("scenario/retained", END, 2, false).await?;
        *count = subscriber.hear_the_end().await?.iter().filter(|message| message.retain).count();
        subscriber.leave().await?;
    }
    publisher.leave().await?;
    Ok((counts[0], counts[1]))
}

async fn will(way: Way) -> anyhow::Result<usize> {
    let mut witness = Client::clean(way, "witness").await?;
    witness.subscribe("scenario/will").await?;
    let mut dying = Client::start(way, "dying", false, Some("scenario/will"));
    dying.connected().await?;
    // No DISCONNECT: its socket is dropped.
    dying.polling.abort();
    while witness.heard.is_empty() {
        let said = witness.said().await?;
        anyhow::ensure!(said.is_none(), "{said:?} instead of the will");
    }
    witness.publish("scenario/will", END, 2, false).await?;
    let wills = witness.hear_the_end().await?;
    witness.leave().await?;
    Ok(wills.iter().filter(|message| message.payload == "gone").count())
}

async fn shared(way: Way) -> anyhow::Result<(usize, usize)> {
    let mut members = [Client::clean(way, "member-1").await?, Client::clean(way, "member-2").await?];
    for member in &mut members {
        member.subscribe("$share/group/scenario/shared").await?;
        // One end for each, by a subscription of its own.
        member.subscribe("scenario/shared/end").await?;
    }
    let mut publisher = Client::clean(way, "distributor").await?;
    for qos in 0..=2 {
        for number in 0..COUNT {
            publisher.publish("scenario/shared", &format!("{qos}-{number}"), qos, false).await?;
        }
    }
    publisher.publish("scenario/shared/end", END, 2, false).await?;
    let (mut payloads, mut served) = (Vec::new(), 0);
    for mut member in members {
        let heard = member.hear_the_end().await?;
        served += usize::from(!heard.is_empty());
        payloads.extend(heard.into_iter().map(|message| message.payload));
        member.leave().await?;
    }
    publisher.leave().await?;
    let different: BTreeSet<&String> = payloads.iter().collect();
    anyhow::ensure!(different.len() == payloads.len(), "a message went to both: {payloads:?}");
    Ok((payloads.len(), served))
}

async fn leave(way: Way) -> anyhow::Result<Value> {
    let mut absent = Client::start(way, "absent", true, None);
    absent.connected().await?;
    absent.subscribe("scenario/absent").await?;
    absent.leave().await?;
    let mut publisher = Client::clean(way, "publisher").await?;
    for qos in 1..=2 {
        for number in 0..COUNT {
            publisher.publish("scenario/absent", &format!("{qos}-{number}"), qos, false).await?;
        }
    }
    publisher.leave().await?;
    Ok(json!({ "published": 2 * COUNT }))
}

async fn come_back(way: Way) -> anyhow::Result<Value> {
    let mut publisher = Client::clean(way, "publisher").await?;
    publisher.publish("scenario/absent", END, 2, false).await?;
    publisher.leave().await?;
    let mut absent = Client::start(way, "absent", true, None);
    let session_present = absent.connected().await?;
    let (received, repeated) = counted(&absent.hear_the_end().await?);
    absent.leave().await?;
    Ok(json!({ "session_present": session_present, "received": received, "repeated": repeated }))
}

/// Carries what is said to a local port over TLS. Gives the port.
async fn bridge(gateway: SocketAddr, options: TlsOptions) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let connector = tokio_rustls::TlsConnector::from(options.config());
            tokio::spawn(async move {
                let tcp = TcpStream::connect(gateway).await?;
                tcp.set_nodelay(true)?;
                let name = "localhost".try_into().expect("a legal name");
                let mut tls = connector.connect(name, tcp).await?;
                tokio::io::copy_bidirectional(&mut client, &mut tls).await
            });
        }
    });
    Ok(port)
}

fn rumqttc(version: Version) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    play(|site: &Site, phase| {
        let (address, options) = (site.tls_address, site.device("kiln-1")?);
        runtime.block_on(async {
            let way = Way { version, port: bridge(address, options).await? };
            match phase {
                Phase::Live => live(way).await,
                Phase::Leave => leave(way).await,
                Phase::Return => come_back(way).await,
            }
        })
    })
}

#[test]
fn rumqttc_3_1_1_over_tls() -> anyhow::Result<()> {
    rumqttc(Version::V3)
}

#[test]
fn rumqttc_5_over_tls() -> anyhow::Result<()> {
    rumqttc(Version::V5)
}
