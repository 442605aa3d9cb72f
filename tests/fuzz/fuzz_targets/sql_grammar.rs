//! Statements of the whole grammar over payloads made for them: printing and reading gives the same statement, and
//! evaluation ends with a result or a fault, the same for both.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rules::{CompileOptions, Message, Outcome, Output, SqlVersion, Statement};

#[path = "../../../rules/tests/generate/mod.rs"]
mod generate;

static FUNCTIONS: LazyLock<Vec<(&str, usize, usize)>> = LazyLock::new(|| {
    generate::functions(rules::functions::catalogue().map(|function| (function.name, function.argument_counts())))
});

fn randomness() -> [u8; 16] {
    [7; 16]
}

fuzz_target!(|bytes: &[u8]| {
    let Some(([version, share], bytes)) = bytes.split_first_chunk() else { return };
    let (sql, payload) = bytes.split_at(bytes.len() * usize::from(*share) / 256);
    let sql = generate::Choices::new(sql, &FUNCTIONS).statement();
    let payload = generate::Choices::new(payload, &FUNCTIONS).payload();
    let options = CompileOptions {
        version: if version % 4 == 0 { SqlVersion::V2015 } else { SqlVersion::V2016 },
        output_bytes_max: 64 * 1024,
        elements_max: 1_000,
        work_bytes_max: 1024 * 1024,
        ..CompileOptions::default()
    };
    let Ok(statement) = Statement::compile(&sql, options) else { return };
    let normalized = statement.normalized_sql();
    let again = Statement::compile(&normalized, options).expect("what is printed is a statement");
    assert_eq!(again.normalized_sql(), normalized);

    let message = Message::new("plant/kiln7/telemetry", &payload, 1_718_000_000_123, &randomness);
    let outcome = statement.evaluate(&message);
    // Rows of windows carry the mark of the text they were made by.
    if !matches!(outcome, Ok(Outcome::Row(_))) {
        assert_eq!(again.evaluate(&message), outcome, "{sql}");
    }
    if let Ok(Outcome::Match(Output::Json(json))) = &outcome {
        assert!(serde_json::from_slice::<&serde_json::value::RawValue>(json).is_ok(), "output is JSON");
    }
    let _ = statement.explain(&message);
});
