//! MQTT.js, the client of Node.js.

use end_to_end::{Gateway, Site, play, run_command, run_javascript};

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

/// [MQTT-4.12.0-2] [MQTT-4.12.1-1]: the library has the packets, the script SCRAM.
#[test]
fn mqttjs_5_authenticates_as_a_user_and_again() -> anyhow::Result<()> {
    let site = Site::new("")?;
    site.change_settings("plain_policy = \"anyone\"\n", "")?;
    site.write("password", "correct horse battery staple")?;
    let _gateway = Gateway::start(&site)?;
    let (settings, password) = (site.settings_file(), site.path("password"));
    let (settings, password) = (settings.display().to_string(), password.display().to_string());
    let add =
        ["users", "--config", &settings, "add", "ada", "--policy", "anyone", "--password-file", &password];
    run_command(&add)?;
    let arguments = [&site.plain_address.port().to_string(), "ada", "correct horse battery staple"];
    let told = run_javascript("authenticate.js", &arguments.map(str::to_string))?;
    assert_eq!((&told["connected"], &told["again"]), (&true.into(), &true.into()), "{told}");
    Ok(())
}
