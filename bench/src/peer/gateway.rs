//! Ours.

use super::{Keeping, Launch, Peer, Programs, Role, Transport, first_line};
use crate::site::Place;

const SETTINGS: &str = include_str!("../../peers/gateway/gateway.toml");
const SINK: &str = include_str!("../../peers/gateway/sink.toml");
const SESSION: &str = include_str!("../../peers/gateway/session.toml");
const RULE: &str = include_str!("../../peers/gateway/rule.toml");
const POLICY: &str = include_str!("../../peers/gateway/policy.json");

pub(super) struct Gateway;

impl Peer for Gateway {
    fn name(&self) -> &'static str {
        "iot-gateway"
    }

    fn version(&self, programs: &Programs) -> anyhow::Result<String> {
        first_line(&programs.gateway, &["--version"], "build it with `cargo build --release`")
    }

    fn refusal(&self, _: Role) -> Option<&'static str> {
        None
    }

    fn remark(&self, role: Role) -> Option<&'static str> {
        match role.keeping {
            Keeping::Nothing => None,
            Keeping::Sink => Some(
                "a SQL rule with a WHERE, into an embedded queue; PUBACK after fsync, many messages for each",
            ),
            Keeping::Session => Some("PUBACK after the message and its session are fsynced"),
        }
    }

    fn prepare(&self, programs: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>> {
        let (tls, plain) = match role.transport {
            Transport::MutualTls => (place.port, place.third_port),
            Transport::Plain => (place.third_port, place.port),
        };
        let filled =
            [("tls", tls.to_string()), ("plain", plain.to_string()), ("other", place.other_port.to_string())];
        let more = match role.keeping {
            Keeping::Nothing => "",
            Keeping::Sink => SINK,
            Keeping::Session => SESSION,
        };
        place.write("gateway.toml", &[SETTINGS, more].concat(), &filled)?;
        place.write("policies/anything.json", POLICY, &[])?;
        std::fs::create_dir_all(place.folder().join("rules"))?;
        if role.keeping == Keeping::Sink {
            place.write("rules/sink/rule.toml", RULE, &[])?;
        }
        let arguments = ["serve", "--config", "gateway.toml"].map(str::to_owned).to_vec();
        Ok(vec![Launch { program: programs.gateway.clone(), arguments, environment: Vec::new() }])
    }

    fn configurations(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("gateway.toml", SETTINGS),
            ("sink.toml", SINK),
            ("session.toml", SESSION),
            ("rule.toml", RULE),
            ("policy.json", POLICY),
        ]
    }
}
