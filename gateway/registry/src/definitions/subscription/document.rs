//! A definition's text while it is read: faults with their places, and values by key.

use super::super::Fault;
use crate::name::nearest;
use rules::Position;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) type Value<'t> = Spanned<DeValue<'t>>;

pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    pub(super) file: &'t Path,
    pub(super) faults: Vec<Fault>,
}

impl<'t> Document<'t> {
    /// Notes that something is wrong at a byte of the text.
    pub(super) fn fault(
        &mut self,
        offset: usize,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        let Position { line, column } = Position::of(self.text, offset);
        self.fault_at((line, column), message, hint);
    }

    pub(super) fn fault_at(
        &mut self,
        place: (usize, usize),
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        let fault = Fault::of_file(self.file, message.into());
        self.faults.push(Fault { place: Some(place), hint: hint.into(), ..fault });
    }

    pub(super) fn check_keys(&mut self, table: &DeTable<'t>, known: &[&str], whose: &str) {
        for (key, _) in table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{whose} has the keys {}", listed(known)),
            };
            self.fault(key.span().start, format!("unknown key `{name}` in {whose}"), hint);
        }
    }

    pub(super) fn string<'a>(
        &mut self,
        table: &'a DeTable<'t>,
        key: &str,
    ) -> Option<(&'a str, Range<usize>)> {
        let value = get(table, key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text, value.span())),
            _ => {
                self.fault(
                    value.span().start,
                    format!("`{key}` is a text"),
                    format!("write `{key} = \"…\"`"),
                );
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, table: &DeTable<'t>, key: &str) -> Option<bool> {
        let value = get(table, key)?;
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.fault(value.span().start, format!("`{key}` is `true` or `false`"), None);
                None
            }
        }
    }

    pub(super) fn list<'a>(&mut self, table: &'a DeTable<'t>, key: &str, hint: &str) -> &'a [Value<'t>] {
        match get(table, key).map(|value| (value.get_ref(), value.span())) {
            Some((DeValue::Array(items), _)) => items,
            Some((_, span)) => {
                self.fault(span.start, format!("`{key}` is a list"), hint.to_owned());
                &[]
            }
            None => &[],
        }
    }
}

pub(super) fn get<'a, 't>(table: &'a DeTable<'t>, key: &str) -> Option<&'a Value<'t>> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
}

pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
