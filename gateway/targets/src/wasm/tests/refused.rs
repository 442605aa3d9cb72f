use super::*;

/// Modules that can't be called, and what is said about each.
const CASES: [(&str, &str); 22] = [
    ("", "the file is empty"),
    ("\0asm", "it is no WebAssembly that the gateway can compile"),
    ("#!/bin/sh\necho", "it is no WebAssembly that the gateway can compile"),
    ("(module (func (i32.const))", "it is no WebAssembly that the gateway can compile"),
    ("(module)", "it exports no `memory`, its memory"),
    (r#"(module (memory (export "memory") 1))"#, "it exports no `allocate`, a function (i32) -> (i32)"),
    (r#"(module (memory (export "mem") 1))"#, "it exports no `memory`, its memory"),
    (r#"(module (memory (export "memori") 1))"#, "did you mean that by `memori`?"),
    (
        r#"(module (func (export "memory")))"#,
        "its export `memory` is a function () -> (); it must be its memory",
    ),
    (
        r#"(module (memory (export "memory") 1) (func (export "alocate") (param i32) (result i32) (local.get 0)))"#,
        "it exports no `allocate`, a function (i32) -> (i32); did you mean that by `alocate`?",
    ),
    (
        r#"(module (memory (export "memory") 1) (func (export "allocate") (param i32) (result i32) (local.get 0))
            (func (export "handle") (param i32) (result i32) (local.get 0)))"#,
        "its export `handle` is a function (i32) -> (i32); it must be a function (i32, i32) -> (i64)",
    ),
    (
        r#"(module (memory (export "memory") 1) (func (export "allocate") (param i32) (result i32) (local.get 0))
            (global (export "handle") i32 (i32.const 1)))"#,
        "its export `handle` is a global; it must be a function",
    ),
    (
        r#"(module (import "gateway" "logg" (func (param i32 i32))))"#,
        "it imports `gateway.logg`, which the gateway does not give; did you mean `gateway.log`?",
    ),
    (
        r#"(module (import "gateway" "log" (func (param i64))))"#,
        "it imports `gateway.log` as a function (i64) -> (); it is a function (i32, i32) -> ()",
    ),
    (
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#,
        "there is no WASI: build for a target without it, as Rust's `wasm32-unknown-unknown`",
    ),
    (
        r#"(module (import "env" "abort" (func)))"#,
        "it imports `env.abort`, which the gateway does not give; there are `gateway.log`, `gateway.fail` and `gateway.context`",
    ),
    ("(component)", "it exports no `handle: func(event: string) -> result<string, string>`"),
    (
        r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#,
        "it imports `wasi:cli/environment@0.2.0`, which the gateway does not give; there is no WASI",
    ),
    (r#"(component (import "logs" (func)))"#, "did you mean `log`?"),
    (
        r#"(component (import "log" (func (param "line" u32))))"#,
        "it imports `log` as something else than `log: func(line: string)`",
    ),
    (
        r#"(component (core module $m (func (export "handle"))) (core instance $i (instantiate $m))
            (func (export "handle") (canon lift (core func $i "handle"))))"#,
        "its export `handle` is something else than `handle: func(event: string) -> result<string, string>`",
    ),
    (
        r#"(module (memory (export "memory") 1000) (func (export "allocate") (param i32) (result i32) (local.get 0))
            (func (export "handle") (param i32 i32) (result i64) (i64.const 0)))"#,
        "65536000",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_not_be_called_says_what_to_mend() {
    let directory = tempfile::tempdir().unwrap();
    for (number, (text, expected)) in CASES.into_iter().enumerate() {
        let file = directory.path().join(format!("{number}.wasm"));
        std::fs::write(&file, text).unwrap();
        let (function, _) = open(limits(file));
        let failure = call(&function, "{}").await.unwrap_err();
        assert_eq!(failure.code(), "FUNCTION_NOT_STARTED");
        assert!(
            failure.to_string().contains(expected),
            "{text}\n  gave     {failure}\n  expected {expected}"
        );
        assert_eq!(function.unusable(), Some(failure));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_named() {
    let (function, _) = open(limits(PathBuf::from("/nowhere/grade.wasm")));
    let failure = call(&function, "{}").await.unwrap_err().to_string();
    assert!(
        failure.starts_with("`/nowhere/grade.wasm` can't be called: it can't be read: No such file"),
        "{failure}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), is_binary: bool) {
        let engine = wasmtime::Engine::default();
        let head: &[u8] = if is_binary { b"\0asm\x01\0\0\0" } else { b"" };
        let _ = super::super::program::Program::compile(&engine, &[head, &bytes].concat());
    }
}
