//! paho-mqtt, the Python client of Eclipse.

use end_to_end::{Python, play};

fn paho(version: &str, transport: &str) -> anyhow::Result<()> {
    play(|site, phase| {
        let address = if transport == "websockets" { site.https_address } else { site.tls_address };
        let mut arguments = site.script_arguments(address.port(), "kiln-1");
        arguments.extend([version, transport, phase.name()].map(str::to_string));
        Python::run("scenario.py", &arguments)
    })
}

#[test]
fn paho_mqtt_3_1_1_over_tls() -> anyhow::Result<()> {
    paho("3.1.1", "tcp")
}

#[test]
fn paho_mqtt_5_over_tls() -> anyhow::Result<()> {
    paho("5", "tcp")
}

#[test]
fn paho_mqtt_3_1_1_over_websocket() -> anyhow::Result<()> {
    paho("3.1.1", "websockets")
}

#[test]
fn paho_mqtt_5_over_websocket() -> anyhow::Result<()> {
    paho("5", "websockets")
}
