//! What a publish costs that nobody wants: no subscriber, no rule, nothing retained. That is most of what some fleets send.

use super::*;
use crate::client::Client;
use crate::flow::{announce, authorise, fan_out};
use crate::lifecycle::Presence;
use crate::settings::Settings;
use access::{Certificate, Policy, PolicyLimits, Principal};
use allocation_counter::AllocationInfo;
use broker::{Incoming, Received, Session};
use bytes::BytesMut;
use mqtt::{Packet, Version};
use std::path::Path;

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:RetainPublish"], "Resource": "*"}]}"#;

/// A gateway on an empty disk, without listeners.
fn gateway(folder: &Path) -> Arc<Gateway> {
    let text = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nauthorities = [\"a\"]\n";
    let settings = Settings::from_text(text, Path::new("gateway.toml"), folder, std::iter::empty())
        .expect("these settings are right");
    crate::running::open(settings, announce::queue().0).expect("an empty disk can be opened").0
}

fn client() -> Client {
    let policy = Policy::parse("all", POLICY, PolicyLimits::default()).expect("a legal policy");
    let principal = Principal {
        certificate: Arc::new(Certificate::absent()),
        user: None,
        things: Arc::from([]),
        policies: Arc::from([Arc::new(policy)]),
    };
    Client::new(&principal, "kiln", "192.0.2.7:1883".parse().unwrap(), Arc::from([]), Presence::past())
}

fn connect(gateway: &Gateway, client: &Client) -> Session<Client> {
    let packet = mqtt::Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive_secs: 0,
        properties: Properties::default(),
        client_id: mqtt::Text::try_from("kiln").unwrap(),
        will: None,
        username: None,
        password: None,
    };
    let wake = Arc::new(|| {});
    gateway.broker.connect(&packet, client.clone(), wake, gateway.now_ms()).unwrap().session
}

/// The bytes of a PUBLISH with as many levels, properties and bytes as devices use.
fn publish(qos: Qos, properties: &[mqtt::Property]) -> Vec<u8> {
    let mut builder = mqtt::PropertiesBuilder::new();
    for property in properties {
        builder.push(property.clone());
    }
    let packet = Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: mqtt::Text::try_from("plant/line-1/kiln/temperature").unwrap(),
        packet_id: (qos > Qos::AtMostOnce).then_some(mqtt::PacketId::FIRST),
        properties: builder.build(),
        payload: bytes::Bytes::from_static(&[b'x'; 200]),
    });
    let mut bytes = BytesMut::new();
    mqtt::encode(&packet, Version::V5, &mut bytes).unwrap();
    bytes.to_vec()
}

struct Flow {
    gateway: Arc<Gateway>,
    client: Client,
    session: Session<Client>,
    commits: Commits,
    out: BytesMut,
    _folder: tempfile::TempDir,
}

impl Flow {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = gateway(folder.path());
        let client = client();
        let session = connect(&gateway, &client);
        let commits = Commits::new(gateway.bus.producer(), None);
        Self { gateway, client, session, commits, out: BytesMut::with_capacity(4_096), _folder: folder }
    }

    /// As the connection's task does it; nothing on the way has to wait.
    fn serve(&mut self, packet: Packet) {
        let Self { gateway, client, session, commits, out, .. } = self;
        let Received::Publish(Incoming { publish, token }) = session.receive(packet) else {
            panic!("it is a PUBLISH that is taken");
        };
        gateway.check_publish(&publish.topic, publish.payload.len()).expect("within the limits");
        let permitted = authorise::authorise(gateway, client, publish).expect("everything is allowed");
        commits.submit(gateway, client, permitted, token);
        let Some(Settled::Accepted(accepted)) = commits.try_next() else {
            panic!("nothing has to be durable")
        };
        assert!(fan_out::fan_out(gateway, &accepted).is_empty());
        fan_out::acknowledge(session, accepted, ReasonCode::Success, "", out);
        assert!(session.take_changes().is_empty());
    }
}

fn count(work: impl FnOnce()) -> u64 {
    let AllocationInfo { count_total, .. } = allocation_counter::measure(work);
    count_total
}

/// Buffer and reference count: what the packet itself needs.
const PACKET_ALLOCATIONS: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_nobody_wants_costs_no_allocation_beyond_its_packet() {
    let mut flow = Flow::new();
    let traced = [
        mqtt::Property::ContentType(mqtt::Text::try_from("application/json").unwrap()),
        mqtt::Property::UserProperty(
            mqtt::Text::try_from("traceparent").unwrap(),
            mqtt::Text::try_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap(),
        ),
    ];
    let alias = [mqtt::Property::TopicAlias(1)];
    let cases: [(&str, Qos, &[mqtt::Property]); 5] = [
        ("QoS 0", Qos::AtMostOnce, &[]),
        ("QoS 1", Qos::AtLeastOnce, &[]),
        ("QoS 0 with properties", Qos::AtMostOnce, &traced),
        ("QoS 1 with properties", Qos::AtLeastOnce, &traced),
        ("QoS 1 with a topic alias", Qos::AtLeastOnce, &alias),
    ];
    for (name, qos, properties) in cases {
        let bytes = publish(qos, properties);
        // What is set up once is not part of it: an alias, a thread's random numbers.
        for is_first in [true, false] {
            let mut packet = None;
            let decoding = count(|| {
                let mut input = BytesMut::from(&bytes[..]);
                packet = mqtt::decode(&mut input, Some(Version::V5), usize::MAX).expect("a legal packet");
            });
            let packet = packet.expect("it is whole");
            let serving = count(|| flow.serve(packet));
            flow.out.clear();
            assert!(is_first || decoding <= PACKET_ALLOCATIONS, "{name}: {decoding} allocations to decode");
            assert!(
                is_first || serving == 0,
                "{name}: {serving} allocations from receipt to acknowledgement"
            );
        }
    }
}

/// Proof that the count counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_is_retained_allocates() {
    let mut flow = Flow::new();
    let mut bytes = BytesMut::from(&publish(Qos::AtMostOnce, &[])[..]);
    bytes[0] |= 1;
    let packet = mqtt::decode(&mut bytes, Some(Version::V5), usize::MAX).unwrap().unwrap();
    let Received::Publish(Incoming { publish, token }) = flow.session.receive(packet) else {
        panic!("it is a PUBLISH that is taken");
    };
    let permitted = authorise::authorise(&flow.gateway, &flow.client, publish).unwrap();
    let allocations = count(|| flow.commits.submit(&flow.gateway, &flow.client, permitted, token));
    assert!(allocations > 0);
}

/// One of a pipeline of QoS 1, as it stands in line.
fn in_line(flow: &mut Flow, number: u16, offset: Option<Offset>) -> Waiting {
    let mut packet =
        mqtt::decode(&mut BytesMut::from(&publish(Qos::AtLeastOnce, &[])[..]), Some(Version::V5), usize::MAX);
    let Ok(Some(Packet::Publish(publish))) = &mut packet else { panic!("it is a PUBLISH") };
    publish.packet_id = mqtt::PacketId::new(number);
    let Received::Publish(Incoming { token, .. }) = flow.session.receive(packet.unwrap().unwrap()) else {
        panic!("it is taken");
    };
    let (qos, received) = (Qos::AtLeastOnce, Instant::now());
    Waiting::Accepted(Accepted { delivery: None, token, qos, offset, is_heard: true, received, bytes: 0 })
}

/// A client of MQTT 3.1.1 is closed and sends both again; one of MQTT 5 is told of the first alone, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_subscribers_get_is_not_taken_before_what_failed_and_comes_again() {
    for (subscriber_wait_max, is_taken) in [(Some(Duration::ZERO), false), (None, true)] {
        let mut flow = Flow::new();
        flow.commits = Commits::new(flow.gateway.bus.producer(), subscriber_wait_max);
        for (number, offset) in [(1, Some(Offset(1))), (2, None)] {
            let waiting = in_line(&mut flow, number, offset);
            flow.commits.waiting.push(waiting);
        }
        let first = flow.commits.pop(Err(CommitError::Closed));
        assert!(matches!(first, Settled::Refused(Refusal::Commit(_), Some(_))));
        match flow.commits.try_next() {
            Some(Settled::Accepted(_)) => assert!(is_taken, "it would come before the first"),
            Some(Settled::Refused(Refusal::Closing, Some(_))) => assert!(!is_taken, "nobody sends it again"),
            _ => panic!("its turn has come"),
        }
    }
}
