//! rmqtt, from crates.io, in a program of ours that holds nothing else.

use super::{Keeping, Launch, Peer, Programs, Role, Transport};
use crate::site::Place;
use anyhow::Context;

const PLAIN: &str = include_str!("../../peers/rmqtt/plain.toml");
const TLS: &str = include_str!("../../peers/rmqtt/tls.toml");
const DURABLE: &str = include_str!("../../peers/rmqtt/durable.toml");
const STORAGE: &str = include_str!("../../peers/rmqtt/rmqtt-session-storage.toml");
const LOCK: &str = include_str!("../../peers/rmqtt/Cargo.lock");

pub(super) struct Rmqtt;

impl Peer for Rmqtt {
    fn name(&self) -> &'static str {
        "rmqtt"
    }

    fn version(&self, programs: &Programs) -> anyhow::Result<String> {
        let program = programs.installed.join("rmqtt-peer");
        anyhow::ensure!(program.exists(), "`rmqtt-peer` is not there: build `bench/peers/rmqtt`");
        let version =
            LOCK.split_once("name = \"rmqtt\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
        Ok(format!("rmqtt {} as a library", version.context("its lock file names rmqtt")?.0))
    }

    fn refusal(&self, role: Role) -> Option<&'static str> {
        (role.keeping == Keeping::Sink)
            .then_some("not comparable: it has no rules, and PUBACK does not wait for the disk")
    }

    fn remark(&self, role: Role) -> Option<&'static str> {
        (role.keeping == Keeping::Session)
            .then_some("sessions in sled by its own plugin; PUBACK does not wait for the disk")
    }

    fn prepare(&self, programs: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>> {
        let listener = if role.transport == Transport::Plain { PLAIN } else { TLS };
        let durable = if role.keeping == Keeping::Nothing { "" } else { DURABLE };
        place.write("rmqtt.toml", &[durable, listener].concat(), &[("port", place.port.to_string())])?;
        place.write("plugins/rmqtt-session-storage.toml", STORAGE, &[])?;
        let program = programs.installed.join("rmqtt-peer");
        Ok(vec![Launch { program, arguments: vec!["rmqtt.toml".to_owned()], environment: Vec::new() }])
    }

    fn configurations(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("plain.toml", PLAIN),
            ("tls.toml", TLS),
            ("durable.toml", DURABLE),
            ("rmqtt-session-storage.toml", STORAGE),
        ]
    }
}
