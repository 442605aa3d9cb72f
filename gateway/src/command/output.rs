//! What commands print: tables for people, JSON for scripts. The only place that writes to standard output.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what a command line is for")]

use serde::Serialize;
use std::io::Write as _;

/// Prints one line.
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Prints a bit of an answer as it comes, and shows it at once.
pub(crate) fn bit(bytes: &[u8]) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()
}

/// Prints one line to standard error: progress and remarks, never results.
pub(crate) fn remark(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints an error with its causes, once.
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints rows under their headings, columns as wide as they must be; numbers to the right.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    for row in lay_out(headings, rows) {
        println!("{row}");
    }
}

/// The lines of a table.
pub(crate) fn lay_out(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings.get(column).map_or(0, |heading| heading.chars().count())]).max().unwrap_or(0)
    };
    let numeric = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit()))
            && !rows.is_empty()
    };
    let columns: Vec<(usize, bool)> =
        (0..headings.len()).map(|column| (width(column), numeric(column))).collect();
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&columns)
            .map(
                |(cell, (width, numeric))| {
                    if *numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        cells.join("  ").trim_end().to_string()
    };
    let mut lines = vec![line(headings.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines
}

#[cfg(test)]
mod tests {
    use super::lay_out;

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        let rows = vec![vec!["alerts".into(), "7".into()], vec!["a".into(), "1200".into()]];
        assert_eq!(
            lay_out(&["queue", "waiting"], &rows),
            ["queue   waiting", "alerts        7", "a          1200"]
        );
    }
}
