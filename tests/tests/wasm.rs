//! Functions in WebAssembly: asked by rules, changed while the gateway runs, and delivered to; no toolchain is needed, as the gateway reads their text.

use end_to_end::{Client, Connect, Gateway, Site, run_command, wait};
use serde_json::Value;
use std::time::Duration;

const V5: u8 = 5;

/// A function that gives one answer.
fn answers(answer: &str) -> String {
    format!(
        "(module (memory (export \"memory\") 2) (data (i32.const 0) {answer:?})\n\
         (func (export \"allocate\") (param i32) (result i32) (i32.const 65536))\n\
         (func (export \"handle\") (param i32 i32) (result i64) (i64.const {})))",
        answer.len()
    )
}

/// A function that runs for ever.
const SPINS: &str = "(module (memory (export \"memory\") 1)\n\
    (func (export \"allocate\") (param i32) (result i32) (i32.const 0))\n\
    (func $spin (loop $again (br $again)))\n\
    (func (export \"handle\") (param i32 i32) (result i64) (call $spin) (i64.const 0)))";

fn publish(client: &mut Client) -> anyhow::Result<()> {
    assert_eq!(client.publish("plant/kiln/telemetry", "{\"temperature\":81}")?, 0);
    Ok(())
}

/// Publishes until the rule gets this grade.
fn publish_until(client: &mut Client, gateway: &Gateway, grade: &str) -> anyhow::Result<()> {
    wait::for_true("the function to grade", Duration::from_secs(60), || {
        let published = publish(client).is_ok();
        let events = gateway.consumer.take_until("readings", 1).unwrap_or_default();
        published && events.iter().any(|event| event.data["grade"] == grade)
    })
}

#[test]
fn a_rule_asks_a_function_in_webassembly_whose_file_may_change() -> anyhow::Result<()> {
    let site = Site::new(
        "[[queue]]\nname = \"readings\"\n\n[[function]]\nname = \"grade\"\nwasm = \"grade.wasm\"\n",
    )?;
    site.write("grade.wasm", &answers("{\"grade\":\"hot\"}"))?;
    let sql = "SELECT *, aws_lambda('grade', *).grade AS grade FROM 'plant/+/telemetry'";
    site.write_rule("graded", sql, "queue = \"readings\"")?;
    let gateway = Gateway::start(&site)?;
    let mut kiln = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln"))?;
    publish_until(&mut kiln, &gateway, "hot")?;
    site.write("grade.wasm", &answers("{\"grade\":\"mild\"}"))?;
    publish_until(&mut kiln, &gateway, "mild")?;
    // What can't be called does not take the place of what can.
    site.write("grade.wasm", "(module)")?;
    gateway.log.wait_for("the changed function can't be called; it goes on as it was", |_| true)?;
    publish_until(&mut kiln, &gateway, "mild")
}

#[test]
fn an_event_whose_function_never_ends_becomes_a_dead_letter() -> anyhow::Result<()> {
    let site = Site::new(
        "[delivery]\nattempts_max = 2\nbackoff_first_ms = 10\n\n\
         [[function]]\nname = \"spin\"\nwasm = \"spin.wat\"\nfuel_max = 1000000\n",
    )?;
    site.write("spin.wat", SPINS)?;
    site.write_rule("spun", "SELECT * FROM 'plant/+/telemetry'", "function = \"spin\"")?;
    let _gateway = Gateway::start(&site)?;
    let mut kiln = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln"))?;
    publish(&mut kiln)?;
    let settings = site.settings_file().display().to_string();
    let listed = || -> anyhow::Result<Vec<Value>> {
        Ok(serde_json::from_str(&run_command(&["dead-letters", "--config", &settings, "list", "--json"])?)?)
    };
    wait::for_true("the dead letter", Duration::from_secs(60), || {
        listed().is_ok_and(|letters| letters.len() == 1)
    })?;
    let letter = listed()?.remove(0).to_string();
    assert!(letter.contains("FUNCTION_OUT_OF_FUEL"), "{letter}");
    assert!(letter.contains("used up its 1000000 units of fuel"), "{letter}");
    Ok(())
}

#[test]
fn a_function_is_a_program_or_a_file_and_not_both() -> anyhow::Result<()> {
    let site = Site::new("[[function]]\nname = \"f\"\ncommand = [\"f\"]\nwasm = \"f.wasm\"\n")?;
    let settings = site.settings_file().display().to_string();
    let refused = run_command(&["serve", "--config", &settings]).unwrap_err().to_string();
    assert!(refused.contains("it has both `command` and `wasm`"), "{refused}");
    Ok(())
}
