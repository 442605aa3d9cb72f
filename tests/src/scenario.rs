//! What every client library has to show, whoever wrote it: it connects with a certificate, and its counts are right.

use crate::gateway::Gateway;
use crate::site::{ALLOW_ALL, Site};
use anyhow::Context;
use serde_json::{Value, json};

/// One part of the scenario. A client's script plays it and reports what it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// With the gateway there all the time: ten messages at each quality of service, to itself; a retained message, heard by one
    /// that subscribes later, and not any more when it is cleared; the will of a client that died; thirty messages to a shared subscription
    /// of two.
    Live,
    /// A client subscribes and leaves its session behind; ten messages at QoS 1 and ten at QoS 2 are published to it, and acknowledged.
    Leave,
    /// The client comes back to its session and hears them.
    Return,
}

impl Phase {
    /// Its name, for a script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Leave => "leave",
            Self::Return => "return",
        }
    }

    /// What the client has to count. Nothing came twice: no phase breaks a connection off in the middle of an exchange.
    fn expected(self) -> Value {
        match self {
            Self::Live => json!({
                "heard": { "0": 10, "1": 10, "2": 10 }, "repeated": 0,
                "retained": 1, "retained_after_clearing": 0,
                "will": 1,
                "shared": 30, "members_served": 2,
            }),
            Self::Leave => json!({ "published": 20 }),
            Self::Return => {
                json!({ "session_present": true, "received": { "1": 10, "2": 10 }, "repeated": 0 })
            }
        }
    }
}

/// Plays the scenario with one client: all phases, the last two once with an ordered restart of the gateway in between and once with a kill.
///
/// # Errors
/// When the client fails.
///
/// # Panics
/// When it counted something else.
pub fn play(mut client: impl FnMut(&Site, Phase) -> anyhow::Result<Value>) -> anyhow::Result<()> {
    let site = Site::new("")?;
    site.write_policy("device", ALLOW_ALL)?;
    site.register(&["kiln-1"])?;
    let mut gateway = Gateway::start(&site)?;
    let mut phase = |phase: Phase, gateway: &Gateway| -> anyhow::Result<()> {
        let counted = client(&site, phase).with_context(|| format!("{phase:?}\n{}", gateway.log.end()))?;
        assert_eq!(counted, phase.expected(), "{phase:?}\n{}", gateway.log.end());
        Ok(())
    };
    phase(Phase::Live, &gateway)?;
    phase(Phase::Leave, &gateway)?;
    gateway.stop()?;
    gateway.start_again()?;
    phase(Phase::Return, &gateway)?;
    phase(Phase::Leave, &gateway)?;
    gateway.kill_and_start_again()?;
    phase(Phase::Return, &gateway)?;
    anyhow::ensure!(gateway.log.panics().is_empty(), "{:?}", gateway.log.panics());
    Ok(())
}

impl Site {
    /// What every script is told first: the port of a listener, a client id, and the files of authority, certificate and key.
    pub fn script_arguments(&self, port: u16, name: &str) -> Vec<String> {
        let (certificate, key) = self.device_files(name);
        let authority = self.path("pki/authority.crt");
        let files = [authority, certificate, key].map(|file| file.display().to_string());
        [port.to_string(), name.to_string()].into_iter().chain(files).collect()
    }
}
