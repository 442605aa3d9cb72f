//! The tables: one row for each normative statement of a version of the standard.

use anyhow::{Context, ensure};
use std::path::Path;

/// Whom a statement binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binds {
    Client,
    Server,
    Both,
}

/// One statement.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) binds: Binds,
    /// Cases that prove it, as `file/name`.
    pub(crate) cases: Vec<String>,
    /// Tests elsewhere that prove it, as `file::function`.
    pub(crate) tests: Vec<String>,
    /// Why nothing proves it.
    pub(crate) because: Option<String>,
}

/// The rows of a table.
///
/// # Errors
/// Which line is wrong.
pub(crate) fn load(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let mut rows: Vec<Row> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let place = || format!("{}:{}: {line}", path.display(), at + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(proof) = line.strip_prefix("    ") {
            let row = rows.last_mut().with_context(place)?;
            if let Some(reason) = proof.strip_prefix("because ") {
                ensure!(row.because.is_none(), "{}: a second reason", place());
                row.because = Some(reason.to_owned());
            } else if let Some(test) = proof.strip_prefix("test ") {
                row.tests.push(test.to_owned());
            } else {
                row.cases.push(proof.to_owned());
            }
            continue;
        }
        rows.push(row(line).with_context(place)?);
    }
    Ok(rows)
}

fn row(line: &str) -> anyhow::Result<Row> {
    let mut words = line.splitn(3, ' ');
    let id = words.next().unwrap_or_default().to_owned();
    let binds = match words.next() {
        Some("client") => Binds::Client,
        Some("server") => Binds::Server,
        Some("both") => Binds::Both,
        _ => anyhow::bail!("whom it binds is `client`, `server` or `both`"),
    };
    ensure!(words.next().is_some_and(|text| text.len() > 10), "what it says is missing");
    Ok(Row { id, binds, cases: Vec::new(), tests: Vec::new(), because: None })
}
