//! NATS with JetStream, from Debian.

use super::{Keeping, Launch, Peer, Programs, Role, Transport, first_line};
use crate::site::Place;

const PLAIN: &str = include_str!("../../peers/nats/plain.conf");
const TLS: &str = include_str!("../../peers/nats/tls.conf");

pub(super) struct Nats;

impl Peer for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn version(&self, _: &Programs) -> anyhow::Result<String> {
        first_line("nats-server".as_ref(), &["--version"], "`apt-get install nats-server`")
    }

    fn refusal(&self, _: Role) -> Option<&'static str> {
        None
    }

    fn remark(&self, role: Role) -> Option<&'static str> {
        match role.keeping {
            Keeping::Nothing => Some("every message at QoS 1 passes a JetStream stream"),
            Keeping::Sink | Keeping::Session => Some(
                "a subscription of a session that is away; JetStream answers from the page cache and calls fsync \
                 every two minutes, which this version can't change: less than an acknowledgement on disk",
            ),
        }
    }

    fn sink_is_a_session(&self) -> bool {
        true
    }

    fn prepare(&self, _: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>> {
        let text = if role.transport == Transport::Plain { PLAIN } else { TLS };
        let filled = [("port", place.port.to_string()), ("other", place.other_port.to_string())];
        place.write("nats.conf", text, &filled)?;
        let arguments = ["-c", "nats.conf"].map(str::to_owned).to_vec();
        Ok(vec![Launch { program: "nats-server".into(), arguments, environment: Vec::new() }])
    }

    fn configurations(&self) -> Vec<(&'static str, &'static str)> {
        vec![("plain.conf", PLAIN), ("tls.conf", TLS)]
    }
}
