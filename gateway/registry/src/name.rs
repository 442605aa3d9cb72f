//! Which names are legal.

use crate::RegistryError;

/// A kind of name with its alphabet, that of the AWS IoT API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameRule {
    what: &'static str,
    punctuation: &'static str,
    characters_max: usize,
    may_be_empty: bool,
}

pub(crate) const THING: NameRule = NameRule::new("thing name", ":_-", 128);
pub(crate) const THING_TYPE: NameRule = NameRule::new("thing type name", ":_-", 128);
pub(crate) const USER: NameRule = NameRule::new("user name", "_+=,.@-", 64);
pub(crate) const POLICY: NameRule = NameRule::new("policy name", "_+=,.@-", 128);
pub(crate) const ATTRIBUTE: NameRule = NameRule::new("attribute name", "_.,@/:#-", 128);
pub(crate) const ATTRIBUTE_VALUE: NameRule =
    NameRule { may_be_empty: true, ..NameRule::new("attribute value", "_.,@/:#=[]-", 800) };

impl NameRule {
    const fn new(what: &'static str, punctuation: &'static str, characters_max: usize) -> Self {
        Self { what, punctuation, characters_max, may_be_empty: false }
    }

    /// Whether the name is legal.
    pub(crate) fn admits(&self, name: &str) -> bool {
        let legal = |c: char| c.is_ascii_alphanumeric() || self.punctuation.contains(c);
        (self.may_be_empty || !name.is_empty())
            && name.len() <= self.characters_max
            && name.chars().all(legal)
    }

    /// # Errors
    /// When the name is not legal.
    pub(crate) fn check(&self, name: &str) -> Result<(), RegistryError> {
        if self.admits(name) {
            return Ok(());
        }
        Err(RegistryError::Name {
            what: self.what,
            name: name.chars().take(self.characters_max).collect(),
            punctuation: self.punctuation,
            characters_max: self.characters_max,
        })
    }
}

/// The name that exists and is nearest to one that does not.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    /// A hint is not worth a long search.
    const NAMES_MAX: usize = 10_000;
    const NAME_BYTES_MAX: usize = 128;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    names
        .take(NAMES_MAX)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}
