//! A table of a scenario. What may stand in it is what is asked for: the rest is told as unknown at the end.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::{Reader, SECS_MAX, TEXT_BYTES_MAX, Value};
use crate::scenario::{Template, UnknownPlaceholder};

/// Bytes of the scenario's text.
pub(super) type Span = Range<usize>;

pub(super) struct Section<'s, 't> {
    pub(super) reader: &'s Reader<'s>,
    table: &'s DeTable<'t>,
    pub(super) span: Span,
    /// Whose keys these are, for people: `a fleet`.
    whose: &'static str,
    asked: RefCell<Vec<&'static str>>,
}

impl<'s, 't> Section<'s, 't> {
    pub(super) fn new(
        reader: &'s Reader<'s>,
        table: &'s DeTable<'t>,
        span: Span,
        whose: &'static str,
    ) -> Self {
        Self { reader, table, span, whose, asked: RefCell::default() }
    }

    /// Tells which keys nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !asked.contains(&name) {
                let hint = hint(name, asked.iter().copied(), &format!("{} has", self.whose));
                self.reader.refuse(key.span(), format!("unknown key `{name}` in {}{hint}", self.whose));
            }
        }
    }

    /// A value as it is.
    pub(super) fn value(&self, key: &'static str) -> Option<&'s Value<'t>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// All members, in the order in which they are written. Nothing is unknown any more.
    pub(super) fn members(&self) -> Vec<(&'s str, Span, &'s Value<'t>)> {
        let mut members: Vec<_> =
            self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
        members.sort_by_key(|(_, span, _)| span.start);
        members
    }

    /// Whether it has the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A key that must be there is not.
    pub(super) fn missing(&self, key: &str, example: &str) {
        self.reader.refuse(
            self.span.clone(),
            format!("{} needs `{key}`; write for example `{example}`", self.whose),
        );
    }

    fn wrong_kind<T>(&self, value: &Value<'t>, key: &str, wanted: &str) -> Option<T> {
        self.reader
            .refuse(value.span(), format!("`{key}` is {}; it must be {wanted}", kind(value.get_ref())));
        None
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &'static str) -> Option<(&'s str, Span)> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                self.reader.refuse(value.span(), format!("`{key}` is empty"));
                None
            }
            DeValue::String(text) if text.len() > TEXT_BYTES_MAX => {
                self.reader.refuse(value.span(), format!("`{key}` has more than {TEXT_BYTES_MAX} bytes"));
                None
            }
            DeValue::String(text) => Some((text, value.span())),
            _ => self.wrong_kind(value, key, "a text"),
        }
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_kind(value, key, "`true` or `false`"),
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, key: &'static str, allowed: RangeInclusive<u64>) -> Option<(u64, Span)> {
        let value = self.value(key)?;
        let Some(number) = integer(value.get_ref()) else {
            return self.wrong_kind(value, key, "a whole number");
        };
        match u64::try_from(number).ok().filter(|number| allowed.contains(number)) {
            Some(number) => Some((number, value.span())),
            None => {
                let (low, high) = allowed.into_inner();
                self.reader.refuse(value.span(), format!("`{key}` is {number}; it must be {low} to {high}"));
                None
            }
        }
    }

    /// A number, whole or not.
    pub(super) fn number(&self, key: &'static str, allowed: RangeInclusive<f64>) -> Option<(f64, Span)> {
        let value = self.value(key)?;
        let Some(number) = number(value.get_ref()) else { return self.wrong_kind(value, key, "a number") };
        if allowed.contains(&number) {
            return Some((number, value.span()));
        }
        let (low, high) = allowed.into_inner();
        self.reader.refuse(value.span(), format!("`{key}` is {number}; it must be {low} to {high}"));
        None
    }

    /// A time in seconds.
    pub(super) fn secs(&self, key: &'static str) -> Option<Duration> {
        self.number(key, 0.0..=SECS_MAX).map(|(secs, _)| Duration::from_secs_f64(secs))
    }

    /// A time in seconds that is not nothing.
    pub(super) fn some_secs(&self, key: &'static str) -> Option<Duration> {
        self.number(key, 0.001..=SECS_MAX).map(|(secs, _)| Duration::from_secs_f64(secs))
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let (text, span) = self.text(key)?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        let hint = hint(text, choices.iter().map(|(name, _)| *name), "there are");
        self.reader.refuse(span, format!("`{key}` cannot be `{text}`{hint}"));
        None
    }

    /// A text with placeholders for what differs from device to device.
    pub(super) fn template(&self, key: &'static str) -> Option<(Template, Span)> {
        let (text, span) = self.text(key)?;
        match Template::parse(text) {
            Ok(template) => Some((template, span)),
            Err(unknown) => {
                self.refuse_placeholder(&unknown, span, Template::known());
                None
            }
        }
    }

    pub(super) fn refuse_placeholder<'k>(
        &self,
        unknown: &UnknownPlaceholder,
        span: Span,
        known: impl Iterator<Item = &'k str>,
    ) {
        let UnknownPlaceholder(name) = unknown;
        let hint = hint(name, known, "there are");
        self.reader.refuse(span, format!("unknown placeholder `{name}`{hint}"));
    }

    /// Texts.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<(&'s str, Span)>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong_kind(value, key, "a list of texts");
        };
        let text = |item: &'s Value<'t>| match item.get_ref() {
            DeValue::String(text) if text.len() <= TEXT_BYTES_MAX => Some((text.as_ref(), item.span())),
            _ => self.wrong_kind(item, key, "a list of texts"),
        };
        items.iter().map(text).collect()
    }

    /// Two numbers, the smaller one first.
    pub(super) fn range(&self, key: &'static str, allowed: RangeInclusive<f64>) -> Option<([f64; 2], Span)> {
        let value = self.value(key)?;
        let ends = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| number(item.get_ref())).collect(),
            single => number(single).map(|number| vec![number, number]),
        };
        match ends.as_deref() {
            Some([low, high]) if low <= high && allowed.contains(low) && allowed.contains(high) => {
                Some(([*low, *high], value.span()))
            }
            _ => {
                let (low, high) = allowed.into_inner();
                let wanted = format!("a number or two, the smaller one first, from {low} to {high}");
                self.wrong_kind(value, key, &wanted)
            }
        }
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str, whose: &'static str) -> Option<Section<'s, 't>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.reader, table, value.span(), whose)),
            _ => self.wrong_kind(value, key, "a table"),
        }
    }

    /// Tables below this one.
    pub(super) fn sections(
        &self,
        key: &'static str,
        whose: &'static str,
        at_most: usize,
    ) -> Vec<Section<'s, 't>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let _: Option<()> = self.wrong_kind(value, key, &format!("a list of tables, as `[[{key}]]`"));
            return Vec::new();
        };
        if let Some(surplus) = items.get(at_most) {
            self.reader.refuse(surplus.span(), format!("there are more than {at_most} `{key}`"));
        }
        let table = |item: &'s Value<'t>| match item.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.reader, table, item.span(), whose)),
            _ => self.wrong_kind(item, key, "a list of tables"),
        };
        items.iter().take(at_most).filter_map(table).collect()
    }

    /// A file's place.
    pub(super) fn path(&self, key: &'static str) -> Option<PathBuf> {
        let (text, span) = self.text(key)?;
        Some(self.reader.path(text, span))
    }

    /// Exactly one of these keys must be there: the first that is, and a complaint if it is not the only one.
    pub(super) fn one_of(&self, keys: &[&'static str], example: &str) -> Option<&'static str> {
        let mut there = keys.iter().filter(|key| self.has(key));
        let first = there.next();
        if let (Some(first), Some(second)) = (first, there.next())
            && let Some(value) = self.table.get(*second)
        {
            let message = format!("{} has both `{first}` and `{second}`; leave one out", self.whose);
            self.reader.refuse(value.span(), message);
        }
        if first.is_none() {
            let message = format!(
                "{} needs one of {}; write for example `{example}`",
                self.whose,
                listed(keys.iter().copied())
            );
            self.reader.refuse(self.span.clone(), message);
        }
        self.asked.borrow_mut().extend(keys);
        first.copied()
    }
}

pub(super) fn integer(value: &DeValue<'_>) -> Option<i128> {
    match value {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => None,
    }
}

/// A finite number.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    let number = match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        other => integer(other).map(|integer| integer as f64),
    };
    number.filter(|number: &f64| number.is_finite())
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `; did you mean …`, or else all that there is.
pub(super) fn hint<'k>(wrong: &str, known: impl Iterator<Item = &'k str>, there: &str) -> String {
    let known: Vec<&str> = known.collect();
    let likeness = |candidate: &&str| strsim::jaro_winkler(wrong, candidate);
    let nearest = known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|nearest| likeness(nearest) > 0.8) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!("; {there} {}", listed(known.into_iter())),
    }
}

pub(super) fn listed<'k>(names: impl Iterator<Item = &'k str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
