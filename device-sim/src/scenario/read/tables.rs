//! Trace files and tables to be replayed.

use std::sync::Arc;
use std::time::Duration;

use super::csv::{self, Fault, Row};
use super::payload::RESERVED;
use crate::scenario::{Body, Field, Format, Signal, Table, Template, Trace, TraceRow};

const TRACE_ROWS_MAX: usize = 1_000_000;
const TABLE_ROWS_MAX: usize = 100_000;
const COLUMNS_MAX: usize = 256;

/// A table; its first row names the columns.
pub(super) fn table(text: &str) -> Result<Table, Fault> {
    let mut rows = csv::parse(text, TABLE_ROWS_MAX, COLUMNS_MAX)?.into_iter();
    let Some(names) = rows.next() else {
        return Err((None, "is empty; the first row names the columns".to_owned()));
    };
    let columns: Vec<Arc<str>> = names.cells.iter().map(|name| name.as_str().into()).collect();
    for (number, name) in columns.iter().enumerate() {
        if name.is_empty() || columns[..number].contains(name) {
            return Err((Some(names.line), format!("column {} has no name of its own", number + 1)));
        }
    }
    let mut table = Table { columns, rows: Vec::new() };
    for row in rows {
        if row.cells.len() != table.columns.len() {
            let (found, wanted) = (row.cells.len(), table.columns.len());
            return Err((Some(row.line), format!("has {found} cells, but there are {wanted} columns")));
        }
        table.rows.push(row.cells.iter().map(|cell| constant(cell)).collect());
    }
    if table.rows.is_empty() {
        Err((None, "has no row below the names of the columns".to_owned()))
    } else {
        Ok(table)
    }
}

/// What a cell says: nothing, true or false, a number, or else a text.
fn constant(cell: &str) -> Signal {
    let number = || cell.parse::<f64>().ok().filter(|number| number.is_finite());
    match cell {
        "" => Signal::Null,
        "true" => Signal::Boolean(true),
        "false" => Signal::Boolean(false),
        _ => cell
            .parse()
            .map(Signal::Integer)
            .ok()
            .or_else(|| number().map(Signal::Number))
            .unwrap_or_else(|| Signal::Text(Template::constant(cell))),
    }
}

/// A trace: milliseconds, and if they differ a topic and a payload. A first row with names may be there.
pub(super) fn trace(text: &str, format: Format) -> Result<Trace, Fault> {
    let rows = csv::parse(text, TRACE_ROWS_MAX, 3)?;
    let names = rows.first().is_some_and(|row| row.cells[0] == "offset_ms");
    let rows: Vec<TraceRow> =
        rows.iter().skip(usize::from(names)).map(|row| trace_row(row, format)).collect::<Result<_, _>>()?;
    if rows.is_empty() { Err((None, "has no row".to_owned())) } else { Ok(Trace::new(rows)) }
}

fn trace_row(row: &Row, format: Format) -> Result<TraceRow, Fault> {
    let refuse = |message: String| (Some(row.line), message);
    let cell = |number: usize| row.cells.get(number).map(String::as_str).filter(|cell| !cell.is_empty());
    let offset = cell(0).unwrap_or_default();
    let ms: f64 = offset
        .parse()
        .ok()
        .filter(|ms| (0.0..=1e11).contains(ms))
        .ok_or_else(|| refuse(format!("`{offset}` is no number of milliseconds")))?;
    let topic = match cell(1) {
        None => None,
        Some(text) if text.contains(['+', '#', '\0']) => {
            return Err(refuse(format!("nothing can be published to `{text}`")));
        }
        Some(text) => Some(Template::parse(text).map_err(|unknown| refuse(unknown.to_string()))?),
    };
    let body = cell(2).map(|payload| body(payload, format)).transpose().map_err(refuse)?;
    Ok(TraceRow { offset: Duration::from_secs_f64(ms / 1000.0), topic, body: body.map(Arc::new) })
}

fn body(payload: &str, format: Format) -> Result<Body, String> {
    if format == Format::Raw {
        return Ok(Body::Bytes(payload.as_bytes().into()));
    }
    let value: serde_json::Value = serde_json::from_str(payload).map_err(|error| {
        format!("the payload is not JSON: {error}; with `format = \"raw\"` it may be anything")
    })?;
    let serde_json::Value::Object(members) = value else {
        return Err("the payload is not a JSON object; with `format = \"raw\"` it may be anything".to_owned());
    };
    // Messages that were recorded from a run have a proof, which is replaced.
    let own = members.into_iter().filter(|(name, _)| !RESERVED.contains(&name.as_str()));
    Ok(Body::Values(own.map(|(name, value)| Field { name: name.into(), signal: of_json(value) }).collect()))
}

fn of_json(value: serde_json::Value) -> Signal {
    use serde_json::Value;
    match value {
        Value::Null => Signal::Null,
        Value::Bool(value) => Signal::Boolean(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Signal::Integer(integer),
            (None, Some(number)) => Signal::Number(number),
            (None, None) => Signal::Null,
        },
        Value::String(text) => Signal::Text(Template::constant(&text)),
        Value::Array(elements) => Signal::List(elements.into_iter().map(of_json).collect()),
        Value::Object(members) => Signal::Map(
            members
                .into_iter()
                .map(|(name, value)| Field { name: name.into(), signal: of_json(value) })
                .collect(),
        ),
    }
}
