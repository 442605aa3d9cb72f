//! Equality and order of values.

use std::cmp::Ordering;

use super::Value;

impl Value<'_> {
    /// What `=` says: by value, without conversion between Strings and numbers; `None` (Undefined) when a side is Undefined.
    pub fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Undefined, _) | (_, Self::Undefined) => None,
            _ => Some(self.is_same(other)),
        }
    }

    /// The order `<` and its siblings go by; `None` (Undefined) unless both sides are numbers or numeric Strings.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => Some(one.cmp(other)),
            _ => Some(self.to_number()?.cmp(&other.to_number()?)),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::LongNumber(a), Self::LongNumber(b)) if a == b => true,
            (Self::Number(_) | Self::LongNumber(_), Self::Number(_) | Self::LongNumber(_)) => {
                self.order(other) == Some(Ordering::Equal)
            }
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.is_same(&b))
            }
            (Self::Object(a), Self::Object(b)) => {
                let (mut a, mut b) = (a.members(), b.members());
                a.sort_by(|(a, _), (b, _)| a.cmp(b));
                b.sort_by(|(a, _), (b, _)| a.cmp(b));
                a.len() == b.len()
                    && a.iter().zip(&b).all(|((name, a), (other, b))| name == other && a.is_same(b))
            }
            _ => false,
        }
    }
}
