//! The members of a JSON object, taken one by one: what is left over, nobody knows.
//!
//! Values stay as they are written until somebody takes them, so that a payload keeps its bytes and a mistake is told
//! with the name of its field.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::diagnostic::nearest;

pub(super) struct Fields<'l> {
    members: Vec<(String, &'l RawValue)>,
    asked: Vec<&'static str>,
}

impl<'l> Fields<'l> {
    /// Reads an object; `whose` says what it is in the message of an error.
    pub(super) fn read(text: &'l str, whose: &str) -> Result<Self, String> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = deserializer
            .deserialize_map(Members)
            .and_then(|members| deserializer.end().map(|()| members))
            .map_err(|error| format!("not {whose}: {error}"))?;
        Ok(Self { members, asked: Vec::new() })
    }

    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, _)| key == name)
    }

    /// The text of a member; of repeated ones the last, as anywhere in JSON.
    pub(super) fn raw(&mut self, name: &'static str) -> Option<&'l RawValue> {
        self.asked.push(name);
        let found = self.members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value);
        self.members.retain(|(key, _)| key != name);
        found
    }

    /// A member; null is the same as none.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, String> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|error| {
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or_default();
            format!("`{name}`: {what}")
        })
    }

    /// A member that is a text; a number is taken as it is written, as some write account numbers so.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, String> {
        let Some(raw) = self.raw(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
        match serde_json::from_str(raw.get()) {
            Ok(text) => Ok(Some(text)),
            Err(_) if serde_json::from_str::<serde_json::Number>(raw.get()).is_ok() => {
                Ok(Some(raw.get().to_owned()))
            }
            Err(_) => Err(format!("`{name}`: `{}` is no text", raw.get())),
        }
    }

    /// The fields of a member that is an object itself.
    pub(super) fn inside(&mut self, name: &'static str) -> Result<Option<Self>, String> {
        match self.raw(name) {
            None => Ok(None),
            Some(raw) if raw.get() == "null" => Ok(None),
            Some(raw) => Fields::read(raw.get(), &format!("an object: `{name}`")).map(Some),
        }
    }

    /// Lets members be there that nobody needs.
    pub(super) fn pass_over(&mut self, names: &[&'static str]) {
        for name in names {
            self.raw(name);
        }
    }

    /// A remark on every member that nobody asked for.
    pub(super) fn left_over(self, whose: &str, remarks: &mut Vec<String>) {
        for (name, _) in &self.members {
            let hint = nearest(name, self.asked.iter().copied());
            let hint = hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
            remarks.push(format!("{whose} has a field `{name}`, which nobody reads{hint}"));
        }
    }

    /// Every member in the order of the text, for objects whose names are the author's.
    pub(super) fn into_members(self) -> Vec<(String, &'l RawValue)> {
        self.members
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
