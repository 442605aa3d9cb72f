//! Whether two JSON texts are the same.

use serde_json::Value as Json;

use crate::json::Tape;
use crate::value::Value;

/// Compares exactly, or with a tolerance for numbers.
pub(super) fn check(wanted: &str, found: &str, tolerance: Option<f64>) -> Result<(), String> {
    let is_same = match tolerance {
        Some(tolerance) => {
            let parse = |text: &str| serde_json::from_str::<Json>(text).ok();
            parse(wanted).zip(parse(found)).is_some_and(|(wanted, found)| is_near(&wanted, &found, tolerance))
        }
        None => is_exact(wanted, found),
    };
    if is_same { Ok(()) } else { Err(format!("  expected {wanted}\n  got      {found}")) }
}

fn is_exact(wanted: &str, found: &str) -> bool {
    let (Some(wanted_tape), Some(found_tape)) = (Tape::read(wanted.as_bytes()), Tape::read(found.as_bytes()))
    else {
        return false;
    };
    let wanted = Value::from_node(wanted_tape.root(wanted.as_bytes()));
    let found = Value::from_node(found_tape.root(found.as_bytes()));
    wanted.equals(&found) == Some(true)
}

fn is_near(wanted: &Json, found: &Json, tolerance: f64) -> bool {
    match (wanted, found) {
        (Json::Number(a), Json::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= tolerance,
            _ => false,
        },
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b, tolerance))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_near(a, b, tolerance)))
        }
        _ => wanted == found,
    }
}
