//! JSON that knows where each value stands.

use super::{PolicyError, PolicyProblem};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A value of the document: its source text and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    document: &'a str,
    text: &'a str,
    path: String,
}

/// A member of an object.
pub(super) struct Member<'a> {
    pub(super) name: String,
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The whole document, once it is known to be JSON.
    pub(super) fn root(document: &'a str) -> Result<Self, PolicyError> {
        match serde_json::from_str::<&RawValue>(document) {
            Ok(raw) => Ok(Self { document, text: raw.get(), path: String::new() }),
            Err(error) => Err(PolicyError {
                path: "document".to_owned(),
                line: error.line().max(1),
                column: error.column().max(1),
                problem: PolicyProblem::Json(without_place(&error.to_string())),
            }),
        }
    }

    /// The problem, at this place.
    pub(super) fn error(&self, problem: PolicyProblem) -> PolicyError {
        // Every text is a slice of the document, so the difference of the addresses is the offset.
        let offset = (self.text.as_ptr() as usize).saturating_sub(self.document.as_ptr() as usize);
        let before = self.document.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        PolicyError {
            path: if self.path.is_empty() { "document".to_owned() } else { self.path.clone() },
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem,
        }
    }

    fn shape(&self, expected: &'static str) -> PolicyError {
        let found = match self.text.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        };
        self.error(PolicyProblem::Shape { expected, found })
    }

    /// The members of an object, each name once.
    pub(super) fn members(&self) -> Result<Vec<Member<'a>>, PolicyError> {
        if !self.text.starts_with('{') {
            return Err(self.shape("an object"));
        }
        let Members(raw) = self.read()?;
        let mut members: Vec<Member<'a>> = Vec::with_capacity(raw.len());
        for (name, value) in raw {
            let separator = if self.path.is_empty() { "" } else { "." };
            let value = self.child(format!("{}{separator}{name}", self.path), value);
            if members.iter().any(|member| member.name == name) {
                return Err(value.error(PolicyProblem::Duplicate(name)));
            }
            members.push(Member { name, value });
        }
        Ok(members)
    }

    /// The elements of an array, or the value itself: wherever the language takes a list it takes a single value.
    pub(super) fn elements_or_self(&self) -> Result<Vec<Self>, PolicyError> {
        if !self.text.starts_with('[') {
            return Ok(vec![self.clone()]);
        }
        let Elements(raw) = self.read()?;
        Ok(raw
            .into_iter()
            .enumerate()
            .map(|(index, raw)| self.child(format!("{}[{index}]", self.path), raw))
            .collect())
    }

    /// A string.
    pub(super) fn string(&self) -> Result<String, PolicyError> {
        if self.text.starts_with('"') { self.read() } else { Err(self.shape("a string")) }
    }

    /// A string, or a boolean as the word it is written with.
    pub(super) fn string_or_boolean(&self) -> Result<String, PolicyError> {
        if matches!(self.text, "true" | "false") { Ok(self.text.to_owned()) } else { self.string() }
    }

    fn child(&self, path: String, raw: &'a RawValue) -> Self {
        Self { document: self.document, text: raw.get(), path }
    }

    fn read<T: serde::Deserialize<'a>>(&self) -> Result<T, PolicyError> {
        serde_json::from_str(self.text)
            .map_err(|error| self.error(PolicyProblem::Json(without_place(&error.to_string()))))
    }
}

/// The parser counts lines from the start of the text it was given; the error carries the place in the document.
fn without_place(sentence: &str) -> String {
    sentence.split(" at line ").next().unwrap_or_default().to_owned()
}

struct Members<'a>(Vec<(String, &'a RawValue)>);
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl<'de> serde::Deserialize<'de> for Elements<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}
