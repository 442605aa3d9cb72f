//! Resources: `arn:aws:iot:region:account:topic/plant/*`, or in short `topic/plant/*`.

use super::PolicyProblem;
use super::pattern::Pattern;
use super::template::{Glyph, Template, Wildcards, glyphs};
use crate::nearest::nearest;
use std::collections::BTreeSet;

/// The kinds of resource that MQTT actions are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    Client,
    Topic,
    TopicFilter,
}

impl ResourceKind {
    pub(crate) const ALL: [Self; 3] = [Self::Client, Self::Topic, Self::TopicFilter];

    /// The word before the name, with its slash.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Client => "client/",
            Self::Topic => "topic/",
            Self::TopicFilter => "topicfilter/",
        }
    }
}

/// Kinds that exist but that no MQTT action is checked against.
const INERT: [&str; 12] = [
    "authorizer",
    "billinggroup",
    "cacert",
    "cert",
    "index",
    "job",
    "jobs",
    "rolealias",
    "rule",
    "thing",
    "thinggroup",
    "thingtype",
];

const SHAPE: &str =
    "an ARN of six parts, like `arn:aws:iot:region:account:topic/name`, its short form `topic/name`, or `*`";

/// Some resources of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) kind: ResourceKind,
    /// Matches the name, without the kind.
    pub(crate) name: Template,
}

impl Resource {
    /// The resources that one text of a policy names; none when all of them are of inert kinds.
    ///
    /// Region and account may be anything: a gateway has neither.
    pub(crate) fn parse(text: &str) -> Result<Vec<Self>, PolicyProblem> {
        match local_part(text)? {
            Some(local) => Self::parse_local(text, local),
            None => {
                Ok(ResourceKind::ALL.map(|kind| Self { kind, name: Template::new(&[Glyph::Any]) }).into())
            }
        }
    }

    fn parse_local(text: &str, local: &str) -> Result<Vec<Self>, PolicyProblem> {
        let glyphs = glyphs(local, Wildcards::Meant)?;
        let slash = glyphs.iter().position(|glyph| *glyph == Glyph::Character('/'));
        let kind = &glyphs[..slash.unwrap_or(glyphs.len())];
        if kind.iter().any(|glyph| matches!(glyph, Glyph::Variable(..))) {
            return Err(PolicyProblem::Unsupported {
                word: text.to_owned(),
                advice: "a policy variable cannot stand for the kind of resource; write `topic/`, `topicfilter/` or `client/` before it",
            });
        }
        if !kind.iter().any(|glyph| matches!(glyph, Glyph::Any | Glyph::One)) {
            check_kind(text, kind, slash.is_some())?;
        }
        let of_kind = |kind: ResourceKind| {
            let starts = after(&glyphs, kind.prefix());
            let glyphs = &glyphs;
            starts.into_iter().map(move |start| Self { kind, name: Template::new(&glyphs[start..]) })
        };
        Ok(ResourceKind::ALL.into_iter().flat_map(of_kind).collect())
    }
}

/// What follows the account in an ARN; `None` when every resource is meant.
fn local_part(text: &str) -> Result<Option<&str>, PolicyProblem> {
    let invalid = || PolicyProblem::Invalid { value: text.to_owned(), expected: SHAPE };
    if text == "*" {
        return Ok(None);
    }
    if !text.starts_with("arn:") {
        return Ok(Some(text));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    if parts.iter().take(5).any(|part| part.contains('$')) {
        return Err(invalid());
    }
    if parts.get(2).is_some_and(|service| *service != "*" && !Pattern::of_wildcards(service).matches("iot")) {
        return Err(PolicyProblem::Invalid {
            value: text.to_owned(),
            expected: "a resource of the service `iot`",
        });
    }
    match parts[..] {
        [_, _, _, _, _, local] => Ok(Some(local)),
        [_, _, .., "*"] => Ok(None),
        _ => Err(invalid()),
    }
}

fn check_kind(text: &str, kind: &[Glyph], has_slash: bool) -> Result<(), PolicyProblem> {
    let word: String = kind
        .iter()
        .filter_map(|glyph| if let Glyph::Character(character) = glyph { Some(*character) } else { None })
        .collect();
    let served = ResourceKind::ALL.map(|kind| kind.prefix().trim_end_matches('/'));
    if !served.iter().chain(&INERT).any(|known| *known == word) {
        let Some(nearest) = nearest(&word, served.into_iter().chain(INERT)) else {
            return Err(PolicyProblem::Invalid { value: text.to_owned(), expected: SHAPE });
        };
        return Err(PolicyProblem::Unknown {
            what: "kind of resource",
            word,
            nearest: Some(nearest.to_owned()),
        });
    }
    if !has_slash {
        return Err(PolicyProblem::Invalid { value: text.to_owned(), expected: SHAPE });
    }
    Ok(())
}

/// The places from which the glyphs may go on once they have matched the prefix.
///
/// The caller has seen to it that no variable comes before the first slash, and the prefix ends with its only one.
fn after(glyphs: &[Glyph], prefix: &str) -> BTreeSet<usize> {
    let mut places = BTreeSet::from([0]);
    for wanted in prefix.chars() {
        let mut next = BTreeSet::new();
        for mut place in places {
            while glyphs.get(place) == Some(&Glyph::Any) {
                next.insert(place);
                place += 1;
            }
            match glyphs.get(place) {
                Some(Glyph::Character(character)) if *character == wanted => next.insert(place + 1),
                Some(Glyph::One) => next.insert(place + 1),
                _ => false,
            };
        }
        places = next;
    }
    places
}
