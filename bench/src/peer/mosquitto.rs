//! Eclipse Mosquitto, from Debian.

use super::{Keeping, Launch, Peer, Programs, Role, Transport, first_line};
use crate::site::Place;

const PLAIN: &str = include_str!("../../peers/mosquitto/plain.conf");
const TLS: &str = include_str!("../../peers/mosquitto/tls.conf");
const DURABLE: &str = include_str!("../../peers/mosquitto/durable.conf");

pub(super) struct Mosquitto;

impl Peer for Mosquitto {
    fn name(&self) -> &'static str {
        "mosquitto"
    }

    fn version(&self, _: &Programs) -> anyhow::Result<String> {
        first_line("mosquitto".as_ref(), &["-h"], "`apt-get install mosquitto`")
    }

    fn refusal(&self, role: Role) -> Option<&'static str> {
        (role.keeping == Keeping::Sink)
            .then_some("not comparable: it has no rules, and PUBACK does not wait for the disk")
    }

    fn remark(&self, role: Role) -> Option<&'static str> {
        (role.keeping == Keeping::Session)
            .then_some("writes its whole memory to disk every second; PUBACK does not wait for it")
    }

    fn prepare(&self, _: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>> {
        let listener = if role.transport == Transport::Plain { PLAIN } else { TLS };
        let durable = if role.keeping == Keeping::Nothing { "" } else { DURABLE };
        let filled = [("port", place.port.to_string())];
        place.write("mosquitto.conf", &[listener, durable].concat(), &filled)?;
        let arguments = ["-c", "mosquitto.conf"].map(str::to_owned).to_vec();
        Ok(vec![Launch { program: "mosquitto".into(), arguments, environment: Vec::new() }])
    }

    fn configurations(&self) -> Vec<(&'static str, &'static str)> {
        vec![("plain.conf", PLAIN), ("tls.conf", TLS), ("durable.conf", DURABLE)]
    }
}
