//! Reads the objects of a pattern.

use super::object::{Content, Member, Object};
use super::{Filter, PATTERN_DEPTH_MAX, STARS_MAX};
use crate::PatternError;
use crate::diagnostic::listed;
use crate::json::{Fault, Kind, Reader};

/// Says that one of several objects must hold.
const OR: &str = "$or";

/// What filters are called. A field of an object below `$or` can't be called so.
pub(super) const FILTERS: [&str; 9] = [
    "prefix",
    "suffix",
    "equals-ignore-case",
    "wildcard",
    "anything-but",
    "numeric",
    "exists",
    "cidr",
    "exact",
];

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) reader: Reader<'t>,
    /// How many `*` there were.
    pub(super) stars: usize,
}

pub(super) fn parse(text: &str) -> Result<Object, PatternError> {
    let mut parser = Parser { text, reader: Reader::new(text), stars: 0 };
    if parser.kind()? != Kind::Object {
        let error = parser.error(parser.reader.offset(), "a pattern is a JSON object");
        return Err(error.with_hint("write for example `{\"detail\":{\"state\":[\"on\"]}}`"));
    }
    let object = parser.object(1, false)?;
    parser.reader.end().map_err(|fault| parser.not_json(fault))?;
    Ok(object)
}

impl Parser<'_> {
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> PatternError {
        PatternError::new(self.text, offset, message)
    }

    pub(super) fn not_json(&self, fault: Fault) -> PatternError {
        self.error(fault.offset, format!("not JSON: expected {}", fault.expected))
    }

    pub(super) fn kind(&mut self) -> Result<Kind, PatternError> {
        self.reader.kind().map_err(|fault| self.not_json(fault))
    }

    pub(super) fn text(&mut self) -> Result<String, PatternError> {
        self.reader.text().map(std::borrow::Cow::into_owned).map_err(|fault| self.not_json(fault))
    }

    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), PatternError> {
        self.reader.expect(byte, expected).map_err(|fault| self.not_json(fault))
    }

    /// An object; below `$or` its fields have no names of filters.
    fn object(&mut self, depth: usize, is_below_or: bool) -> Result<Object, PatternError> {
        let start = self.reader.offset();
        if depth > PATTERN_DEPTH_MAX {
            return Err(self.error(start, format!("pattern is nested deeper than {PATTERN_DEPTH_MAX}")));
        }
        self.expect(b'{', "`{`")?;
        let mut object = Object::default();
        if self.reader.pass(b'}') {
            let hint = "name at least one field, for example `\"state\":[\"on\"]`";
            return Err(self.error(start, "an object without fields says nothing").with_hint(hint));
        }
        loop {
            self.reader.space();
            let offset = self.reader.offset();
            let name = self.text()?.into_boxed_str();
            self.expect(b':', "`:`")?;
            if is_below_or && FILTERS.contains(&&*name) {
                let message = format!("`{name}` is a filter and can't be a field below `$or`");
                let hint = format!("write the field first: `\"field\":[{{\"{name}\":…}}]`");
                return Err(self.error(offset, message).with_hint(hint));
            }
            let content = match &*name {
                OR => self.or(depth)?,
                _ => self.content(&name, depth, is_below_or)?,
            };
            object.set(Member { name, offset, content });
            if !self.reader.pass(b',') {
                self.expect(b'}', "`,` or `}`")?;
                return Ok(object);
            }
        }
    }

    /// What a field must hold: an object, or a list of values and filters.
    fn content(&mut self, name: &str, depth: usize, is_below_or: bool) -> Result<Content, PatternError> {
        match self.kind()? {
            Kind::Object => self.object(depth + 1, is_below_or).map(Content::Object),
            Kind::Array => self.filters().map(|filters| Content::Filters(filters.into())),
            _ => {
                let offset = self.reader.offset();
                let value = self.reader.value(depth).map_err(|fault| self.not_json(fault))?;
                let error = self.error(offset, format!("`{name}` is neither a list nor an object"));
                Err(error.with_hint(format!("values stand in lists: write `[{value}]`")))
            }
        }
    }

    fn or(&mut self, depth: usize) -> Result<Content, PatternError> {
        let kind = self.kind()?;
        let start = self.reader.offset();
        let hint = "write `\"$or\":[{\"a\":[1]},{\"b\":[2]}]`";
        if kind != Kind::Array {
            return Err(self.error(start, "`$or` is a list of objects").with_hint(hint));
        }
        self.expect(b'[', "`[`")?;
        let mut objects = Vec::new();
        while objects.is_empty() || self.reader.pass(b',') {
            if objects.is_empty() && self.reader.pass(b']') {
                return Err(self.error(start, "`$or` has no objects; it takes 2 at least").with_hint(hint));
            }
            if self.kind()? != Kind::Object {
                let offset = self.reader.offset();
                return Err(self.error(offset, "`$or` holds objects only").with_hint(hint));
            }
            objects.push(self.object(depth + 1, true)?);
        }
        self.expect(b']', "`,` or `]`")?;
        if objects.len() < 2 {
            let error = self.error(start, "`$or` has one object; it takes 2 at least");
            return Err(error.with_hint("leave `$or` out, or give it another object"));
        }
        Ok(Content::Or(objects))
    }

    /// A list of values and filters, any of which is enough; sorted, each once.
    fn filters(&mut self) -> Result<Vec<Filter>, PatternError> {
        let start = self.reader.offset();
        self.expect(b'[', "`[`")?;
        if self.reader.pass(b']') {
            let error = self.error(start, "an empty list matches nothing");
            return Err(error.with_hint("name a value, or write `[{\"exists\":true}]`"));
        }
        let mut filters = Vec::new();
        loop {
            filters.push(self.filter()?);
            if !self.reader.pass(b',') {
                self.expect(b']', "`,` or `]`")?;
                filters.sort();
                filters.dedup();
                return Ok(filters);
            }
        }
    }

    pub(super) fn count_stars(&mut self, offset: usize, stars: usize) -> Result<(), PatternError> {
        self.stars += stars;
        if self.stars > STARS_MAX {
            let message = format!("the wildcards of this pattern have more than {STARS_MAX} `*` together");
            return Err(self.error(offset, message).with_hint("share them among several patterns"));
        }
        Ok(())
    }

    pub(super) fn unknown_filter(&self, offset: usize, name: &str, known: &[&str]) -> PatternError {
        let hint = match crate::diagnostic::nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(known)),
        };
        self.error(offset, format!("unknown filter `{name}`")).with_hint(hint)
    }
}
