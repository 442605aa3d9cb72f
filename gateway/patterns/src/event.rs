//! An event as patterns see it: the values of those fields that some pattern names, each with the object it lies in.
//!
//! Nothing else of the event is made into values. Arrays leave no trace but that several values have one path: nested ones are flattened.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::json::{DEPTH_MAX, Fault, Kind, NO_DEEPER, Reader};
use crate::number::Number;
use crate::set::STEPS_MAX;
use crate::set::paths::{PathId, PathTree, ROOT};

/// The longest event, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most values of one event that lie in fields of patterns.
pub const VALUES_MAX: usize = 100_000;

/// Why nothing can be said about an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is not JSON.
    #[error("event is not JSON: expected {expected} at byte {offset}")]
    NotJson {
        /// The byte at which it stops being JSON, from 0.
        offset: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// It is JSON, but no object.
    #[error("event is no JSON object")]
    NotAnObject,
    /// Its brackets are nested too deep.
    #[error("event is nested deeper than {DEPTH_MAX} brackets at byte {offset}")]
    TooDeep {
        /// The byte of the first bracket that is too deep, from 0.
        offset: usize,
    },
    /// It is too long.
    #[error("event has {bytes} bytes; the most is {EVENT_BYTES_MAX}")]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It has too many values.
    #[error("event has more than {VALUES_MAX} values in fields that patterns name")]
    TooManyValues,
    /// Its arrays are too long for so many patterns that let nearly every element through.
    #[error(
        "event takes more than {STEPS_MAX} steps to be matched: its arrays are too long for patterns that most elements pass; send fewer elements, or use fewer `anything-but`"
    )]
    TooMuchWork,
}

impl From<Fault> for EventError {
    fn from(fault: Fault) -> Self {
        match fault.expected {
            NO_DEEPER => Self::TooDeep { offset: fault.offset },
            expected => Self::NotJson { offset: fault.offset, expected },
        }
    }
}

/// A value that is no object and no array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'e> {
    Text(Cow<'e, str>),
    Number(Number),
    Bool(bool),
    Null,
}

impl Value<'_> {
    /// How much there is to look at, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(number) => number.digits(),
            Self::Bool(_) | Self::Null => 0,
        }
    }
}

/// One object of the event. They are numbered as they begin, so what lies in one has the numbers up to its `end`.
#[derive(Debug)]
struct Instance {
    parent: u32,
    end: u32,
    depth: u32,
}

/// The number of an object of the event; that of the event itself is 0.
pub(crate) type InstanceId = u32;

/// A value, the field it stands in, and the object it lies in.
#[derive(Debug)]
pub(crate) struct Fact<'e> {
    pub(crate) path: PathId,
    pub(crate) instance: InstanceId,
    pub(crate) value: Value<'e>,
}

/// Marks what a repeated key has replaced.
const REPLACED: PathId = PathId::MAX;

/// What of an event concerns patterns.
#[derive(Debug)]
pub(crate) struct Document<'e> {
    instances: Vec<Instance>,
    /// By path, then by instance.
    facts: Vec<Fact<'e>>,
}

impl<'e> Document<'e> {
    /// Reads an event for the patterns whose fields are `paths`.
    pub(crate) fn read(event: &'e str, paths: &PathTree) -> Result<Self, EventError> {
        if event.len() > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge { bytes: event.len() });
        }
        let mut reader = Reader::new(event);
        if reader.kind()? != Kind::Object {
            reader.value(0)?;
            reader.end()?;
            return Err(EventError::NotAnObject);
        }
        let mut walk = Walk { reader, paths, document: Self { instances: Vec::new(), facts: Vec::new() } };
        walk.object(ROOT, 0, 0)?;
        walk.reader.end()?;
        let mut document = walk.document;
        document.facts.retain(|fact| fact.path != REPLACED);
        document.facts.sort_by_key(|fact| (fact.path, fact.instance));
        Ok(document)
    }

    /// The object at most `depth` deep that `instance` is or lies in.
    pub(crate) fn ancestor(&self, mut instance: InstanceId, depth: u32) -> InstanceId {
        while self.instances[instance as usize].depth > depth {
            instance = self.instances[instance as usize].parent;
        }
        instance
    }

    /// The values of a field that lie in an object, however deep.
    pub(crate) fn facts(&self, path: PathId, instance: InstanceId) -> &[Fact<'e>] {
        let end = self.instances[instance as usize].end;
        let first = self.facts.partition_point(|fact| (fact.path, fact.instance) < (path, instance));
        let rest = &self.facts[first..];
        &rest[..rest.partition_point(|fact| (fact.path, fact.instance) < (path, end))]
    }

    /// Every field that has values, once.
    pub(crate) fn fields(&self) -> impl Iterator<Item = PathId> {
        self.facts.chunk_by(|left, right| left.path == right.path).map(|facts| facts[0].path)
    }
}

struct Walk<'e, 'p> {
    reader: Reader<'e>,
    paths: &'p PathTree,
    document: Document<'e>,
}

impl Walk<'_, '_> {
    /// An object at `path` in the object `parent`; `depth` counts brackets.
    fn object(&mut self, path: PathId, parent: InstanceId, depth: usize) -> Result<(), EventError> {
        self.reader.expect(b'{', "`{`")?;
        let instances = &mut self.document.instances;
        // An event has fewer objects than bytes, and those are bounded.
        let instance = instances.len() as InstanceId;
        instances.push(Instance { parent, end: 0, depth: self.paths.depth(path) });
        // Where the values of each member begin and end, as the last of equal keys counts.
        let mut seen: BTreeMap<PathId, (usize, usize)> = BTreeMap::new();
        if !self.reader.pass(b'}') {
            loop {
                self.reader.space();
                let name = self.reader.text()?;
                self.reader.expect(b':', "`:`")?;
                match self.paths.child(path, &name) {
                    None => drop(self.reader.value(depth + 1)?),
                    Some(child) => {
                        let start = self.document.facts.len();
                        self.value(child, instance, depth + 1)?;
                        if let Some((start, end)) = seen.insert(child, (start, self.document.facts.len())) {
                            self.document.facts[start..end].iter_mut().for_each(|fact| fact.path = REPLACED);
                        }
                    }
                }
                if !self.reader.pass(b',') {
                    self.reader.expect(b'}', "`,` or `}`")?;
                    break;
                }
            }
        }
        self.document.instances[instance as usize].end = self.document.instances.len() as InstanceId;
        Ok(())
    }

    fn value(&mut self, path: PathId, instance: InstanceId, depth: usize) -> Result<(), EventError> {
        let is_field = self.paths.is_field(path);
        let value = match self.reader.kind()? {
            Kind::Object if self.paths.has_children(path) && depth < DEPTH_MAX => {
                return self.object(path, instance, depth);
            }
            Kind::Array if depth < DEPTH_MAX => return self.array(path, instance, depth),
            Kind::Text if is_field => Value::Text(self.reader.text()?),
            Kind::Number if is_field => Value::Number(Number::of(self.reader.number()?)),
            kind => {
                self.reader.value(depth)?;
                match kind {
                    Kind::True if is_field => Value::Bool(true),
                    Kind::False if is_field => Value::Bool(false),
                    Kind::Null if is_field => Value::Null,
                    _ => return Ok(()),
                }
            }
        };
        if self.document.facts.len() == VALUES_MAX {
            return Err(EventError::TooManyValues);
        }
        self.document.facts.push(Fact { path, instance, value });
        Ok(())
    }

    fn array(&mut self, path: PathId, instance: InstanceId, depth: usize) -> Result<(), EventError> {
        self.reader.expect(b'[', "`[`")?;
        if self.reader.pass(b']') {
            return Ok(());
        }
        loop {
            self.value(path, instance, depth + 1)?;
            if !self.reader.pass(b',') {
                return Ok(self.reader.expect(b']', "`,` or `]`")?);
            }
        }
    }
}
