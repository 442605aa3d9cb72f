//! Where two JSON texts differ: numbers by value, members in any order.

use super::failure::{Differing, Failure};
use crate::json::Tape;
use crate::value::{Value, write_json};

/// Places that are told; the rest is counted.
const DIFFERING_MAX: usize = 20;

/// The longest JSON that is told of a place, in characters.
const PLACE_CHARACTERS_MAX: usize = 200;

/// Compares; with a tolerance numbers may be that far apart.
pub(super) fn check(wanted: &str, found: &str, tolerance: Option<f64>) -> Result<(), Box<Failure>> {
    if wanted == found {
        return Ok(());
    }
    let tapes = (Tape::read(wanted.as_bytes()), Tape::read(found.as_bytes()));
    let (Some(wanted_tape), Some(found_tape)) = tapes else {
        let reason = match &tapes {
            (None, _) => "what is expected is nested too deep to compare",
            (_, None) if found.is_empty() => "the output is empty",
            _ => "the output is not JSON",
        };
        return Err(Failure::of_sides(reason, wanted, found).into());
    };
    let mut comparison = Comparison { tolerance, path: "$".to_owned(), differing: Vec::new(), left_out: 0 };
    comparison.compare(
        &Value::from_node(wanted_tape.root(wanted.as_bytes())),
        &Value::from_node(found_tape.root(found.as_bytes())),
    );
    if comparison.differing.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::of_sides("", wanted, found);
    failure.differing = comparison.differing;
    failure.differing_left_out = comparison.left_out;
    Err(failure.into())
}

struct Comparison {
    tolerance: Option<f64>,
    path: String,
    differing: Vec<Differing>,
    left_out: usize,
}

impl Comparison {
    /// Recursion is bounded by the nesting a document may have.
    fn compare(&mut self, wanted: &Value<'_>, found: &Value<'_>) {
        match (wanted, found) {
            (Value::Array(wanted), Value::Array(found)) => {
                let (wanted, found): (Vec<_>, Vec<_>) = (wanted.iter().collect(), found.iter().collect());
                for at in 0..wanted.len().max(found.len()) {
                    self.step(&format!("[{at}]"), wanted.get(at), found.get(at));
                }
            }
            (Value::Object(wanted), Value::Object(found)) => {
                let found = found.members();
                let mut others: std::collections::HashMap<&str, &Value<'_>> =
                    found.iter().map(|(name, value)| (name.as_ref(), value)).collect();
                for (name, value) in &wanted.members() {
                    let other = others.remove(name.as_ref());
                    self.step(&member(name), Some(value), other);
                }
                for (name, value) in &found {
                    if others.contains_key(name.as_ref()) {
                        self.step(&member(name), None, Some(value));
                    }
                }
            }
            _ if self.is_same(wanted, found) => {}
            _ => self.differ(Some(wanted), Some(found)),
        }
    }

    fn step(&mut self, step: &str, wanted: Option<&Value<'_>>, found: Option<&Value<'_>>) {
        let length = self.path.len();
        self.path.push_str(step);
        match (wanted, found) {
            (Some(wanted), Some(found)) => self.compare(wanted, found),
            _ => self.differ(wanted, found),
        }
        self.path.truncate(length);
    }

    fn is_same(&self, wanted: &Value<'_>, found: &Value<'_>) -> bool {
        let is_number = |value: &Value<'_>| matches!(value, Value::Number(_) | Value::LongNumber(_));
        match self.tolerance {
            Some(tolerance) if is_number(wanted) && is_number(found) => {
                let (wanted, found) = (wanted.to_number(), found.to_number());
                wanted
                    .zip(found)
                    .is_some_and(|(wanted, found)| (wanted.to_f64() - found.to_f64()).abs() <= tolerance)
            }
            _ => wanted.equals(found) == Some(true),
        }
    }

    fn differ(&mut self, wanted: Option<&Value<'_>>, found: Option<&Value<'_>>) {
        if self.differing.len() == DIFFERING_MAX {
            self.left_out += 1;
            return;
        }
        self.differing.push(Differing {
            path: self.path.clone(),
            expected: wanted.map(short),
            got: found.map(short),
        });
    }
}

fn member(name: &str) -> String {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    if !name.is_empty() && name.chars().all(is_word) {
        format!(".{name}")
    } else {
        format!("[{}]", serde_json::Value::from(name))
    }
}

fn short(value: &Value<'_>) -> String {
    let mut text = String::new();
    write_json(value, false, &mut text);
    match text.char_indices().nth(PLACE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
