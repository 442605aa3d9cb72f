//! MQTT.js, the client of Node.js.

use end_to_end::{play, run_javascript};

fn mqttjs(version: &str, transport: &str) -> anyhow::Result<()> {
    play(|site, phase| {
        let address = if transport == "wss" { site.https_address } else { site.tls_address };
        let mut arguments = site.script_arguments(address.port(), "kiln-1");
        arguments.extend([version, transport, phase.name()].map(str::to_string));
        run_javascript("scenario.js", &arguments)
    })
}

#[test]
fn mqttjs_3_1_1_over_tls() -> anyhow::Result<()> {
    mqttjs("3.1.1", "mqtts")
}

#[test]
fn mqttjs_5_over_tls() -> anyhow::Result<()> {
    mqttjs("5", "mqtts")
}

#[test]
fn mqttjs_3_1_1_over_websocket() -> anyhow::Result<()> {
    mqttjs("3.1.1", "wss")
}

#[test]
fn mqttjs_5_over_websocket() -> anyhow::Result<()> {
    mqttjs("5", "wss")
}
