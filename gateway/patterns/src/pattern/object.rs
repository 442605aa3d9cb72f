//! A pattern as it is written, before `$or` is multiplied out.

use std::sync::Arc;

use super::Filter;

/// An object of a pattern.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// In the order in which they are written.
    pub(super) members: Vec<Member>,
}

/// A field of an object of a pattern.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    /// Where its name stands in the text.
    pub(super) offset: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Object(Object),
    Filters(Arc<[Filter]>),
    /// `$or`.
    Or(Vec<Object>),
}

impl Object {
    /// Adds a field; of a repeated one the last counts.
    pub(super) fn set(&mut self, member: Member) {
        match self.members.iter_mut().find(|earlier| earlier.name == member.name) {
            Some(earlier) => *earlier = member,
            None => self.members.push(member),
        }
    }
}
