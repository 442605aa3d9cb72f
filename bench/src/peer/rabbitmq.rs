//! RabbitMQ with its MQTT plugin, from Debian.

use super::{Keeping, Launch, Peer, Programs, Role, Transport};
use crate::site::Place;
use anyhow::Context;
use std::path::PathBuf;

const PLAIN: &str = include_str!("../../peers/rabbitmq/plain.conf");
const TLS: &str = include_str!("../../peers/rabbitmq/tls.conf");
const SINK: &str = include_str!("../../peers/rabbitmq/sink.conf");
const DEFINITIONS: &str = include_str!("../../peers/rabbitmq/definitions.json");
const PLUGINS: &str = include_str!("../../peers/rabbitmq/enabled_plugins");

/// Where Debian puts the scripts that do not change the user, by version.
const LIBRARY: &str = "/usr/lib/rabbitmq/lib";

pub(super) struct Rabbitmq;

impl Peer for Rabbitmq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    fn version(&self, _: &Programs) -> anyhow::Result<String> {
        let home = home()?;
        let name = home.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Ok(name.replace("rabbitmq_server-", "RabbitMQ "))
    }

    fn refusal(&self, _: Role) -> Option<&'static str> {
        None
    }

    fn remark(&self, role: Role) -> Option<&'static str> {
        match role.keeping {
            Keeping::Nothing => None,
            Keeping::Sink => Some("a binding to a quorum queue of one node; PUBACK after its log is fsynced"),
            Keeping::Session => Some("a durable classic queue; PUBACK after the queue confirms"),
        }
    }

    fn prepare(&self, _: &Programs, place: &Place, role: Role) -> anyhow::Result<Vec<Launch>> {
        let listener = if role.transport == Transport::Plain { PLAIN } else { TLS };
        let sink = if role.keeping == Keeping::Sink { SINK } else { "" };
        let filled = [("port", place.port.to_string()), ("other", place.other_port.to_string())];
        place.write("rabbitmq.conf", &[listener, sink].concat(), &filled)?;
        place.write("definitions.json", DEFINITIONS, &[])?;
        place.write("enabled_plugins", PLUGINS, &[])?;
        // The name service of Erlang, as a child of ours, because the one that RabbitMQ starts would outlive it.
        let names = Launch {
            program: "epmd".into(),
            arguments: ["-port".to_owned(), place.third_port.to_string()].to_vec(),
            environment: vec![("ERL_EPMD_ADDRESS".to_owned(), "127.0.0.1".to_owned())],
        };
        let server = Launch {
            program: home()?.join("sbin/rabbitmq-server"),
            arguments: Vec::new(),
            environment: environment(place),
        };
        Ok(vec![names, server])
    }

    fn configurations(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("plain.conf", PLAIN),
            ("tls.conf", TLS),
            ("sink.conf", SINK),
            ("definitions.json", DEFINITIONS),
            ("enabled_plugins", PLUGINS),
        ]
    }
}

fn home() -> anyhow::Result<PathBuf> {
    let found = std::fs::read_dir(LIBRARY).ok().and_then(|entries| {
        entries.flatten().map(|entry| entry.path()).find(|path| path.join("sbin/rabbitmq-server").exists())
    });
    found.with_context(|| format!("no RabbitMQ below `{LIBRARY}`: `apt-get install rabbitmq-server`"))
}

fn environment(place: &Place) -> Vec<(String, String)> {
    let folder = place.folder().display();
    let pairs = [
        ("HOME", format!("{folder}")),
        ("RABBITMQ_MNESIA_BASE", format!("{folder}/mnesia")),
        ("RABBITMQ_LOG_BASE", format!("{folder}/log")),
        ("RABBITMQ_CONFIG_FILE", format!("{folder}/rabbitmq.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{folder}/enabled_plugins")),
        ("RABBITMQ_FEATURE_FLAGS_FILE", format!("{folder}/feature_flags")),
        ("RABBITMQ_NODENAME", format!("bench{}@localhost", place.port)),
        ("RABBITMQ_DIST_PORT", (place.other_port.wrapping_add(20_000)).to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", place.third_port.to_string()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
