//! rumqttd, from crates.io.

use super::{Keeping, Launch, Peer, Programs, Role, Transport, first_line};
use crate::site::Place;

const PLAIN: &str = include_str!("../../peers/rumqttd/plain.toml");
const TLS: &str = include_str!("../../peers/rumqttd/tls.toml");
const GET: &str = "`cargo install rumqttd --version 0.20.0 --features verify-client-cert` without `--locked`";

pub(super) struct Rumqttd;

impl Peer for Rumqttd {
    fn name(&self) -> &'static str {
        "rumqttd"
    }

    fn version(&self, programs: &Programs) -> anyhow::Result<String> {
        first_line(&programs.installed.join("rumqttd"), &["--version"], GET)
    }

    fn refusal(&self, role: Role) -> Option<&'static str> {
        (role.keeping == Keeping::Sink)
            .then_some("not comparable: it has no rules and writes nothing to disk")
    }

    fn remark(&self, role: Role) -> Option<&'static str> {
        (role.keeping == Keeping::Session).then_some("keeps sessions in memory and writes nothing to disk")
    }

    fn prepare(&self, programs: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>> {
        let text = if role.transport == Transport::Plain { PLAIN } else { TLS };
        place.write("rumqttd.toml", text, &[("port", place.port.to_string())])?;
        let arguments = ["-c", "rumqttd.toml", "-q"].map(str::to_owned).to_vec();
        Ok(vec![Launch { program: programs.installed.join("rumqttd"), arguments, environment: Vec::new() }])
    }

    fn configurations(&self) -> Vec<(&'static str, &'static str)> {
        vec![("plain.toml", PLAIN), ("tls.toml", TLS)]
    }
}
