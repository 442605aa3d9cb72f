//! The head of a record: enough to know whom it concerns, without reading the rest.

use bytes::Bytes;
use uuid::Uuid;

use super::decode::{Cursor, DecodeError};
use super::encode::{
    FLAG_MESSAGE, FLAG_SOURCE, ORIGIN_REDRIVEN, ORIGIN_REPLAYED, SOURCE_EXCHANGE, SOURCE_WILL,
};
use super::{Source, VERSION, VERSION_OLDEST};
use crate::TargetName;

/// A decoded head. It borrows nothing and allocates nothing but the lists of names' places.
#[derive(Clone, Debug)]
pub struct Head {
    pub(super) version: u8,
    pub(super) origin: u8,
    pub(super) flags: u8,
    /// The base of the record's event ids.
    pub base: Uuid,
    /// Milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
    /// Where the message came from, if the state of the sessions follows from it.
    pub source: Option<Source>,
    pub(super) targets: Vec<Bytes>,
    pub(super) rules: Vec<Bytes>,
    routes: Vec<RouteNumbers>,
    /// Where what follows the head stands in the record.
    pub(super) body_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct RouteNumbers {
    rule: u16,
    target: u16,
    bytes: u32,
}

/// One route as the head tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteHead<'a> {
    /// The rule that made the event.
    pub rule: &'a str,
    /// Where it goes, as `kind/name`.
    pub target: &'a str,
    /// Bytes of data.
    pub bytes: u32,
}

impl Head {
    /// Reads the head of an encoded record.
    ///
    /// # Errors
    /// When it is not a head of a version this build knows.
    pub fn decode(record: &Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(record);
        let version = cursor.u8()?;
        if !(VERSION_OLDEST..=VERSION).contains(&version) {
            return Err(DecodeError::Version(version));
        }
        let (origin, flags, _zero) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let length = cursor.u32()? as usize;
        let mut rest = cursor.part(length)?;
        let body_at = cursor.position();
        let base = Uuid::from_bytes(rest.array::<16>()?);
        let accepted_at_ms = rest.u64()?;
        let source = if has_source(version, flags) { Some(read_source(&mut rest)?) } else { None };
        let targets = names(&mut rest)?;
        let rules = names(&mut rest)?;
        let count = rest.u16()?;
        let mut routes = Vec::with_capacity(usize::from(count).min(rest.remaining() / ROUTE_BYTES));
        for _ in 0..count {
            let _event = rest.u16()?;
            let route = RouteNumbers { rule: rest.u16()?, target: rest.u16()?, bytes: rest.u32()? };
            if usize::from(route.rule) >= rules.len() || usize::from(route.target) >= targets.len() {
                return Err(DecodeError::Number("route"));
            }
            routes.push(route);
        }
        if rest.remaining() > 0 {
            return Err(DecodeError::Trailing(rest.remaining()));
        }
        Ok(Self { version, origin, flags, base, accepted_at_ms, source, targets, rules, routes, body_at })
    }

    /// True when the record holds the message itself, for sessions or the retained store.
    #[must_use]
    pub fn holds_message(&self) -> bool {
        self.flags & FLAG_MESSAGE != 0
    }

    /// True when at least one event goes to `target`.
    #[must_use]
    pub fn concerns(&self, target: &TargetName) -> bool {
        self.targets.iter().any(|name| *name == target.as_str().as_bytes())
    }

    /// True when this is a dead letter being sent again.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        self.origin == ORIGIN_REDRIVEN
    }

    /// True when this is an event of an archive being sent again.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.origin == ORIGIN_REPLAYED
    }

    /// The targets, each once.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(text)
    }

    /// Every route, in the order of the events; routes to one target are numbered by their order here.
    pub fn routes(&self) -> impl Iterator<Item = RouteHead<'_>> {
        self.routes.iter().map(|route| RouteHead {
            rule: text(&self.rules[usize::from(route.rule)]),
            target: text(&self.targets[usize::from(route.target)]),
            bytes: route.bytes,
        })
    }
}

/// The same as [`Head::holds_message`] for whoever passes over most records: looks at three bytes. A record that can't be read holds
/// none.
#[must_use]
pub fn holds_message(record: &Bytes) -> bool {
    matches!(record.as_ref(), [version, _, flags, ..]
        if (VERSION_OLDEST..=VERSION).contains(version) && flags & FLAG_MESSAGE != 0)
}

/// A record's source, for whoever passes over most records: looks at three bytes of one that has none.
///
/// # Errors
/// When it is not a record of a version this build knows.
pub fn source(record: &Bytes) -> Result<Option<Source>, DecodeError> {
    const FIXED_BYTES: usize = 4 + 4 + 16 + 8;
    let mut cursor = Cursor::new(record);
    let (version, _origin, flags) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    if !(VERSION_OLDEST..=VERSION).contains(&version) {
        return Err(DecodeError::Version(version));
    }
    if !has_source(version, flags) {
        return Ok(None);
    }
    cursor.part(FIXED_BYTES - 3)?;
    read_source(&mut cursor).map(Some)
}

fn has_source(version: u8, flags: u8) -> bool {
    version >= 2 && flags & FLAG_SOURCE != 0
}

fn read_source(cursor: &mut Cursor<'_>) -> Result<Source, DecodeError> {
    match cursor.u8()? {
        SOURCE_EXCHANGE => Ok(Source::Exchange { session: cursor.u64()?, packet_id: cursor.u16()? }),
        SOURCE_WILL => Ok(Source::Will { will: cursor.u64()? }),
        _ => Err(DecodeError::Number("source")),
    }
}

const ROUTE_BYTES: usize = 10;

/// The names were checked to be UTF-8 when the head was decoded.
fn text(name: &Bytes) -> &str {
    std::str::from_utf8(name).unwrap_or_default()
}

fn names(cursor: &mut Cursor<'_>) -> Result<Vec<Bytes>, DecodeError> {
    let count = usize::from(cursor.u16()?);
    let mut names = Vec::with_capacity(count.min(cursor.remaining() / 2));
    for _ in 0..count {
        names.push(cursor.text_bytes()?);
    }
    Ok(names)
}
