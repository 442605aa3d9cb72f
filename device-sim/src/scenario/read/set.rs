//! Settings of the command line, `fleet.meter.devices=500`, put into a scenario before it is read.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Value;
use super::section::{hint, listed};

/// Puts a setting into a table. All of it gets this place.
///
/// Between points stand keys; in a list also the number of an element from 0, its `name`, or `*` for all of them. None
/// of that is needed if the list has a single element.
pub(super) fn apply<'t>(table: &mut DeTable<'t>, setting: &'t str, place: usize) -> Result<(), String> {
    let (path, value) = setting
        .split_once('=')
        .ok_or_else(|| "it is not KEY=VALUE; write for example `fleet.meter.devices=500`".to_owned())?;
    let steps: Vec<&str> = path.trim().split('.').collect();
    if steps.iter().any(|step| step.is_empty()) {
        return Err("the key has an empty part".to_owned());
    }
    in_table(table, &steps, &parse(value.trim(), place), place)
}

/// A TOML value; what is none is a text, so that a shell's quotes are enough.
fn parse(text: &str, place: usize) -> Value<'_> {
    let value = match DeValue::parse(text) {
        Ok(value) => value.into_inner(),
        Err(_) => DeValue::String(Cow::Borrowed(text)),
    };
    moved(value, place)
}

fn moved(value: DeValue<'_>, place: usize) -> Value<'_> {
    let value = match value {
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| moved(item.into_inner(), place)).collect())
        }
        DeValue::Table(members) => {
            let mut table = DeTable::new();
            for (key, value) in members {
                table.insert(Spanned::new(place..place, key.into_inner()), moved(value.into_inner(), place));
            }
            DeValue::Table(table)
        }
        other => other,
    };
    Spanned::new(place..place, value)
}

fn in_table<'t>(
    table: &mut DeTable<'t>,
    steps: &[&'t str],
    value: &Value<'t>,
    place: usize,
) -> Result<(), String> {
    let Some((first, rest)) = steps.split_first() else { return Ok(()) };
    if rest.is_empty() {
        // The old key's place would stay otherwise.
        table.remove(*first);
        table.insert(Spanned::new(place..place, Cow::Borrowed(*first)), value.clone());
        return Ok(());
    }
    if !table.contains_key(*first) {
        let empty = Spanned::new(place..place, DeValue::Table(DeTable::new()));
        table.insert(Spanned::new(place..place, Cow::Borrowed(*first)), empty);
    }
    match table.get_mut(*first).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => in_table(inner, rest, value, place),
        Some(DeValue::Array(items)) => in_list(items, first, rest, value, place),
        _ => Err(format!("`{first}` has no keys")),
    }
}

fn in_list<'t>(
    items: &mut DeArray<'t>,
    list: &str,
    steps: &[&'t str],
    value: &Value<'t>,
    place: usize,
) -> Result<(), String> {
    let Some((first, rest)) = steps.split_first() else { return Ok(()) };
    let names: Vec<Option<String>> = items.iter().map(name).collect();
    let (chosen, rest) = if *first == "*" {
        (0..items.len(), rest)
    } else if let Some(number) =
        names.iter().position(|name| name.as_deref() == Some(*first)).or_else(|| first.parse().ok())
    {
        (number..number.saturating_add(1), rest)
    } else if items.len() == 1 {
        (0..1, steps)
    } else {
        let hint = hint(first, names.iter().flatten().map(String::as_str), "there are");
        return Err(format!("`{list}` has no `{first}`{hint}"));
    };
    if chosen.end > items.len() {
        return Err(format!("`{list}` has {} elements, counted from 0", items.len()));
    }
    if rest.is_empty() {
        return Err(format!("it names a whole element of `{list}`; name one of its keys"));
    }
    for item in items.iter_mut().skip(chosen.start).take(chosen.len()) {
        match item.get_mut() {
            DeValue::Table(table) => in_table(table, rest, value, place)?,
            _ => {
                return Err(format!(
                    "an element of `{list}` is no table, and has no {}",
                    listed(rest.iter().copied())
                ));
            }
        }
    }
    Ok(())
}

fn name(item: &Value<'_>) -> Option<String> {
    match item.get_ref() {
        DeValue::Table(table) => table.get("name")?.get_ref().as_str().map(str::to_owned),
        _ => None,
    }
}
