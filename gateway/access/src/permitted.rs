//! Proof that a publish was authorised.

use std::ops::Deref;

/// Something that is published to a topic.
pub trait Publication {
    /// The topic name, with any topic alias already resolved.
    fn topic(&self) -> &str;
    /// Whether it is to be retained, which needs `iot:RetainPublish` as well.
    fn retain(&self) -> bool;
}

impl Publication for mqtt::Publish {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn retain(&self) -> bool {
        self.retain
    }
}

impl Publication for mqtt::Will {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn retain(&self) -> bool {
        self.retain
    }
}

/// A publication that the policies allow. Only [`Permissions::authorise_publish`](crate::Permissions::authorise_publish)
/// makes one, and it can't be changed afterwards: the topic that was checked is the topic that is used.
///
/// ```compile_fail
/// let forged = access::Permitted { publication: 1 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permitted<T> {
    publication: T,
}

impl<T> Permitted<T> {
    pub(crate) fn new(publication: T) -> Self {
        Self { publication }
    }

    /// Gives up the proof.
    pub fn into_inner(self) -> T {
        self.publication
    }
}

impl<T> Deref for Permitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.publication
    }
}
