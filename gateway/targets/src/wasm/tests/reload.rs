use super::*;

const CONSTANT: &str = r#"(module (memory (export "memory") 1) (data (i32.const 0) "DIGIT")
    (func (export "allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "handle") (param i32 i32) (result i64) (i64.const 1)))"#;

/// Writes a function that answers with `digit`, as a whole.
fn write(file: &Path, digit: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, CONSTANT.replace("DIGIT", digit)).unwrap();
    std::fs::rename(new, file).unwrap();
}

async fn until(function: &WebAssembly, expected: Result<Answer, Failure>) {
    let answered = async {
        while call(function, "{}").await != expected {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, answered).await.is_ok(), "never answered {expected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_called_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.wasm");
    write(&file, "1");
    let (function, _) = open(limits(file.clone()));
    assert_eq!(call(&function, "{}").await, done("1"));
    for digit in ["2", "3"] {
        write(&file, digit);
        until(&function, done(digit)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_broken_or_gone_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.wasm");
    write(&file, "1");
    let (function, _) = open(limits(file.clone()));
    assert_eq!(call(&function, "{}").await, done("1"));
    let before = super::super::reload::Seen::default();
    std::fs::write(&file, "(module)").unwrap();
    // Once seen, twice still, so it is compiled: and it is not taken.
    let seen = super::super::reload::look(&function, super::super::reload::look(&function, before));
    assert_eq!(call(&function, "{}").await, done("1"));
    std::fs::remove_file(&file).unwrap();
    super::super::reload::look(&function, super::super::reload::look(&function, seen));
    assert_eq!(call(&function, "{}").await, done("1"));
    write(&file, "2");
    until(&function, done("2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_missing_is_called_once_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.wasm");
    let (function, _) = open(limits(file.clone()));
    assert_eq!(call(&function, "{}").await.unwrap_err().code(), "FUNCTION_NOT_STARTED");
    write(&file, "1");
    until(&function, done("1")).await;
    assert_eq!(function.unusable(), None);
}
