//! Why an event matches a pattern or not, field by field.

use std::fmt;

use crate::event::{Document, Value};
use crate::pattern::{Field, Filter, written};
use crate::set::PatternSet;
use crate::set::paths::PathTree;
use crate::{EventError, Pattern};

/// The most values shown of one field.
const VALUES_SHOWN: usize = 5;

/// The most characters shown of one value.
const CHARACTERS_SHOWN: usize = 80;

/// What became of a pattern and an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the event matches.
    pub matches: bool,
    /// How many alternatives the pattern's `$or`s make.
    pub alternatives: usize,
    /// The fields of the alternative that comes closest.
    pub fields: Vec<FieldVerdict>,
}

/// What became of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldVerdict {
    /// The field, its names joined by dots.
    pub path: String,
    /// What the pattern asks for, in words.
    pub wanted: String,
    /// What the event has there, as JSON; the first few.
    pub found: Vec<String>,
    /// Whether that is what was asked for.
    pub verdict: Verdict,
}

/// Whether a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Holds,
    /// The event has no value there.
    Missing,
    /// The event has other values there.
    Differs,
    /// It does, as do the others, but not in the same element of an array.
    Apart,
}

/// Says why `event` matches `pattern` or not.
///
/// # Errors
/// The event can't be read.
pub fn explain(pattern: &Pattern, event: &str) -> Result<Explanation, EventError> {
    let mut set = PatternSet::new();
    // A single pattern always fits.
    let _ = set.add((), pattern);
    let matches = !set.matches(event)?.is_empty();
    let mut paths = PathTree::default();
    for field in pattern.alternatives.iter().flatten() {
        paths.field(&field.path);
    }
    let document = Document::read(event, &paths)?;
    let verdicts = pattern.alternatives.iter().map(|fields| verdicts(fields, &mut paths, &document));
    let failures =
        |fields: &Vec<FieldVerdict>| fields.iter().filter(|field| field.verdict != Verdict::Holds).count();
    let mut closest: Vec<Vec<FieldVerdict>> = verdicts.collect();
    closest.sort_by_key(|fields| (failures(fields), fields.len()));
    let mut fields = closest.into_iter().next().unwrap_or_default();
    if !matches && failures(&fields) == 0 {
        fields.iter_mut().for_each(|field| field.verdict = Verdict::Apart);
    }
    Ok(Explanation { matches, alternatives: pattern.alternatives.len(), fields })
}

fn verdicts(fields: &[Field], paths: &mut PathTree, document: &Document<'_>) -> Vec<FieldVerdict> {
    let verdict = |field: &Field| {
        let facts = document.facts(paths.field(&field.path), 0);
        let passes = |value: &Value<'_>| field.filters.iter().any(|filter| filter.passes(value));
        let holds = match facts {
            [] => field.filters.contains(&Filter::Absent),
            facts => facts.iter().any(|fact| passes(&fact.value)),
        };
        let verdict = match (holds, facts) {
            (true, _) => Verdict::Holds,
            (false, []) => Verdict::Missing,
            (false, _) => Verdict::Differs,
        };
        let wanted: Vec<String> = field.filters.iter().map(Filter::to_string).collect();
        FieldVerdict {
            path: written(&field.path),
            wanted: wanted.join(" or "),
            found: facts.iter().take(VALUES_SHOWN).map(|fact| shown(&fact.value)).collect(),
            verdict,
        }
    };
    fields.iter().map(verdict).collect()
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) if text.chars().nth(CHARACTERS_SHOWN).is_some() => {
            let start: String = text.chars().take(CHARACTERS_SHOWN).collect();
            format!("\"{}…\"", crate::json::escaped(&start))
        }
        Value::Text(text) => format!("\"{}\"", crate::json::escaped(text)),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".to_owned(),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.matches { "the event matches" } else { "the event does not match" })?;
        if self.alternatives > 1 {
            let which = if self.matches { "one that does" } else { "the closest" };
            write!(formatter, " (`$or` makes {} alternatives; this is {which})", self.alternatives)?;
        }
        for field in &self.fields {
            let found = match field.found.is_empty() {
                true => "nothing".to_owned(),
                false => field.found.join(", "),
            };
            let FieldVerdict { path, wanted, .. } = field;
            match field.verdict {
                Verdict::Holds => write!(formatter, "\n  holds    {path}: {wanted}; found {found}")?,
                Verdict::Missing => {
                    write!(formatter, "\n  missing  {path}: {wanted}; the event has no value there")?;
                }
                Verdict::Differs => write!(formatter, "\n  differs  {path}: {wanted}; found {found}")?,
                Verdict::Apart => write!(
                    formatter,
                    "\n  apart    {path}: {wanted}; found, but not in the same element of an array as the others"
                )?,
            }
        }
        Ok(())
    }
}
