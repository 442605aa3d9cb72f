//! Dead letters as a table, or as JSON.

use super::{Control, Which, output, query};
use serde_json::Value;

/// What each target has and had.
pub(super) fn counts(control: &Control, as_json: bool) -> anyhow::Result<()> {
    let counts: Vec<Value> = control.get("/dead-letters/counts")?;
    if as_json {
        return output::json(&counts);
    }
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|row| {
            let numbers = ["held", "heldBytes", "written", "redriven", "purged", "evicted"];
            let target = row["target"].as_str().unwrap_or_default().to_owned();
            std::iter::once(target).chain(numbers.map(|key| row[key].to_string())).collect()
        })
        .collect();
    output::table(&["target", "held", "bytes", "written", "redriven", "purged", "evicted"], &rows);
    Ok(())
}

/// Those that match, page by page.
pub(super) fn list(
    control: &Control,
    which: &Which,
    limit: Option<usize>,
    as_json: bool,
) -> anyhow::Result<()> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut letters: Vec<Value> = Vec::new();
    let mut wanted = which.body();
    while letters.len() < limit {
        let mut page: Value = control.get(&format!("/dead-letters{}", query(&wanted)))?;
        if let Value::Array(more) = page["deadLetters"].take() {
            letters.extend(more);
        }
        for damaged in page["damaged"].as_array().into_iter().flatten() {
            output::remark(format!(
                "dead letter {} is damaged and left out: {}; purge it by its id, or restore the state directory from a copy",
                damaged["id"], damaged["damaged"]
            ));
        }
        match page["next"].as_str() {
            Some(next) => wanted["after"] = next.into(),
            None => break,
        }
    }
    letters.truncate(limit);
    if as_json {
        return output::json(&letters);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            let attribute = |name: &str| text(&letter["attributes"][name]);
            vec![
                text(&letter["id"]),
                attribute("RULE"),
                attribute("LAST_FAILURE"),
                attribute("ERROR_CODE"),
                attribute("ERROR_MESSAGE"),
            ]
        })
        .collect();
    output::table(&["id", "rule", "last failure", "code", "message"], &rows);
    Ok(())
}
