//! Any text as a statement, a template and a definition: refused or compiled, never a panic, and errors can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules::definition::Definition;
use rules::{CompileOptions, Statement, Template};

fuzz_target!(|text: &str| {
    if let Err(errors) = Statement::compile(text, CompileOptions::default()) {
        let _ = errors.render(text, "fuzz");
    }
    if let Err(errors) = Template::compile(text, CompileOptions::default()) {
        let _ = errors.render(text, "fuzz");
    }
    if let Err(errors) = Definition::parse("fuzz", "rule.toml", text) {
        let _ = errors.render(text);
    }
});
