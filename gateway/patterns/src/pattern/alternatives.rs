//! Multiplies `$or` out, and puts the fields of each alternative into the order in which they are looked for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::object::{Content, Object};
use super::{COMBINATIONS_MAX, CONDITIONS_MAX, Conjunction, Field, written};
use crate::PatternError;

type Path = Vec<Box<str>>;

/// Every alternative of a pattern.
pub(super) fn alternatives(text: &str, object: &Object) -> Result<Vec<Conjunction>, PatternError> {
    let size = size(object);
    if size.combinations > COMBINATIONS_MAX {
        let message =
            format!("the `$or`s make {} combinations; the most is {COMBINATIONS_MAX}", size.combinations);
        return Err(PatternError::new(text, 0, message).with_hint("share them among several patterns"));
    }
    if size.conditions > CONDITIONS_MAX {
        let message = format!("the `$or`s repeat {} fields; the most is {CONDITIONS_MAX}", size.conditions);
        return Err(PatternError::new(text, 0, message).with_hint("share them among several patterns"));
    }
    let placed = expand(object, &Vec::new());
    placed.into_iter().map(|fields| conjunction(text, fields)).collect()
}

/// How large a pattern is with `$or` multiplied out.
struct Size {
    combinations: u64,
    conditions: u64,
}

fn size(object: &Object) -> Size {
    let mut size = Size { combinations: 1, conditions: 0 };
    for member in &object.members {
        let next = match &member.content {
            Content::Filters(_) => Size { combinations: 1, conditions: 1 },
            Content::Object(object) => self::size(object),
            Content::Or(objects) => {
                objects.iter().map(self::size).fold(Size { combinations: 0, conditions: 0 }, |sum, next| {
                    Size {
                        combinations: sum.combinations.saturating_add(next.combinations),
                        conditions: sum.conditions.saturating_add(next.conditions),
                    }
                })
            }
        };
        size = Size {
            combinations: size.combinations.saturating_mul(next.combinations),
            conditions: (size.conditions.saturating_mul(next.combinations))
                .saturating_add(next.conditions.saturating_mul(size.combinations)),
        };
    }
    size
}

/// A field, and where its name stands.
type Placed = (Field, usize);

fn expand(object: &Object, path: &Path) -> Vec<Vec<Placed>> {
    let mut alternatives = vec![Vec::new()];
    for member in &object.members {
        let below = || path.iter().cloned().chain([member.name.clone()]);
        let factors = match &member.content {
            Content::Filters(filters) => {
                vec![vec![(Field { path: below().collect(), filters: Arc::clone(filters) }, member.offset)]]
            }
            Content::Object(object) => expand(object, &below().collect()),
            Content::Or(objects) => objects.iter().flat_map(|object| expand(object, path)).collect(),
        };
        let products =
            alternatives.iter().flat_map(|left| factors.iter().map(move |right| [&left[..], right].concat()));
        alternatives = products.collect();
    }
    alternatives
}

/// Checks that no field is named twice, and orders them.
fn conjunction(text: &str, fields: Vec<Placed>) -> Result<Conjunction, PatternError> {
    let mut paths = HashSet::new();
    for (field, offset) in &fields {
        if !paths.insert(&field.path) {
            let message = format!("`{}` is named twice: inside `$or` and beside it", written(&field.path));
            let hint = "say in each object of `$or` all that the field must hold";
            return Err(PatternError::new(text, *offset, message).with_hint(hint));
        }
    }
    Ok(ordered(fields.into_iter().map(|(field, _)| field).collect()))
}

/// Puts first what few values pass, so that most events are turned away early and patterns that begin alike share what they ask. The fields of
/// one object stay together.
fn ordered(mut fields: Conjunction) -> Conjunction {
    let mut breadths: HashMap<(&[Box<str>], bool), u8> = HashMap::new();
    for field in &fields {
        let breadth = field.filters.iter().map(|filter| filter.breadth()).max().unwrap_or(0);
        for end in 1..=field.path.len() {
            let least = breadths.entry((&field.path[..end], end < field.path.len())).or_insert(breadth);
            *least = breadth.min(*least);
        }
    }
    let mut keys: Vec<Vec<(u8, bool, Box<str>)>> = Vec::with_capacity(fields.len());
    for field in &fields {
        let steps = (1..=field.path.len()).map(|end| {
            let is_object = end < field.path.len();
            (breadths[&(&field.path[..end], is_object)], is_object, field.path[end - 1].clone())
        });
        keys.push(steps.collect());
    }
    let mut pairs: Vec<_> = keys.into_iter().zip(fields.drain(..)).collect();
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    pairs.into_iter().map(|(_, field)| field).collect()
}
