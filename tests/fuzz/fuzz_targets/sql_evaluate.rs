//! A statement up to the first zero byte, a payload after it: evaluation ends with a result or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::{CompileOptions, Message, Outcome, Output, Statement};

fn randomness() -> [u8; 16] {
    [7; 16]
}

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let payload = bytes.get(cut + 1..).unwrap_or_default();
    let Ok(sql) = std::str::from_utf8(&bytes[..cut]) else { return };
    let options = CompileOptions { output_bytes_max: 64 * 1024, elements_max: 1_000, ..CompileOptions::default() };
    let Ok(statement) = Statement::compile(sql, options) else { return };
    let message = Message::new("plant/kiln7/telemetry", payload, 1_718_000_000_123, &randomness);
    if let Ok(Outcome::Match(Output::Json(json))) = statement.evaluate(&message) {
        assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&json).is_ok(), "output is JSON");
    }
    let _ = statement.explain(&message);
});
