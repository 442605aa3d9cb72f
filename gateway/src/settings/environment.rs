//! Overrides from the environment: `IOT_GATEWAY__API__ADDRESS=127.0.0.1:9090` sets `address` in `[api]`.

use super::error::{Origin, SettingsError};
use toml::{Table, Value};

/// Every variable that begins so is a setting.
pub(crate) const PREFIX: &str = "IOT_GATEWAY__";

/// Puts each override into `table`; a later part of the path that is not a table is an error.
pub(crate) fn apply(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Vec<String>, SettingsError> {
    let mut applied = Vec::new();
    for (name, value) in variables {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        set(table, &keys, parse(&value))
            .map_err(|message| SettingsError { origin: Origin::Environment(name.clone()), message })?;
        applied.push(name);
    }
    Ok(applied)
}

/// A value as TOML has it (`5`, `true`, `["a"]`), else the text itself.
fn parse(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

fn set(table: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
    match keys {
        [] => Err("names no setting".to_string()),
        [key] if key.is_empty() => Err("names no setting".to_string()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [key, rest @ ..] => match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            _ => Err(format!("`{key}` is not a table of settings")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(variables: &[(&str, &str)]) -> Result<Table, SettingsError> {
        let mut table: Table = "[api]\naddress = \"a\"".parse().unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
        apply(&mut table, variables)?;
        Ok(table)
    }

    #[test]
    fn overrides_reach_into_tables_and_keep_types() {
        let table = applied(&[
            ("IOT_GATEWAY__API__ADDRESS", "127.0.0.1:1"),
            ("IOT_GATEWAY__JOURNAL__SEGMENT_BYTES", "65536"),
            ("PATH", "ignored"),
        ])
        .unwrap();
        assert_eq!(table["api"]["address"].as_str(), Some("127.0.0.1:1"));
        assert_eq!(table["journal"]["segment_bytes"].as_integer(), Some(65_536));
    }

    #[test]
    fn a_path_through_a_value_is_refused_by_name() {
        let error = applied(&[("IOT_GATEWAY__API__ADDRESS__PORT", "1")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable IOT_GATEWAY__API__ADDRESS__PORT: `address` is not a table of settings"
        );
    }
}
