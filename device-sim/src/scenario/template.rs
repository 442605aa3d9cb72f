//! Texts that differ from device to device: topics, client ids, user names.

use std::fmt::Write;

/// A text with placeholders, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Filled { placeholder: Placeholder, digits: usize },
}

/// What a template may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The device's client id.
    Device,
    /// The device's number in its fleet, from 1; `{index:05}` writes it with five digits.
    Index,
    /// The fleet's name.
    Fleet,
    /// The run's name.
    Run,
    /// The production line that a device stands at: `line-1` to `line-4`.
    Line,
}

/// Placeholders by name.
const PLACEHOLDERS: &[(&str, Placeholder)] = &[
    ("index", Placeholder::Index),
    ("fleet", Placeholder::Fleet),
    ("run", Placeholder::Run),
    ("line", Placeholder::Line),
    ("device", Placeholder::Device),
];

/// Who a text is for.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Client id.
    pub device: &'a str,
    /// The fleet's name.
    pub fleet: &'a str,
    /// Place in the fleet, from 0.
    pub place: u32,
    /// The run's name.
    pub run: &'a str,
}

/// A placeholder that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown placeholder `{{{0}}}`; known are `{{index}}`, `{{fleet}}`, `{{run}}`, `{{line}}` and `{{device}}`"
)]
pub struct UnknownPlaceholder(pub String);

impl Template {
    /// A text without placeholders.
    pub fn constant(text: &str) -> Self {
        Self { parts: [Part::Text(text.into())].into() }
    }

    /// Parses a template. A `{` that does not begin `{name}` or `{name:0DIGITS}` is an ordinary character, as in JSON.
    ///
    /// # Errors
    /// When a placeholder does not exist.
    pub fn parse(text: &str) -> Result<Self, UnknownPlaceholder> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            literal.push_str(&rest[..open]);
            rest = &rest[open..];
            let Some((inside, after)) = inside(rest) else {
                literal.push('{');
                rest = &rest[1..];
                continue;
            };
            parts.push(Part::Text(std::mem::take(&mut literal).into()));
            parts.push(placeholder(inside)?);
            rest = after;
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal.into()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts: parts.into() })
    }

    /// The names that may stand between braces.
    pub fn known() -> impl Iterator<Item = &'static str> {
        PLACEHOLDERS.iter().map(|(name, _)| *name)
    }

    /// Whether it asks for something.
    pub fn uses(&self, wanted: Placeholder) -> bool {
        let is_wanted =
            |part: &Part| matches!(part, Part::Filled { placeholder, .. } if *placeholder == wanted);
        self.parts.iter().any(is_wanted)
    }

    /// The text, if it asks for nothing.
    pub fn as_constant(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is the same for every device of a fleet.
    pub fn is_shared(&self) -> bool {
        ![Placeholder::Device, Placeholder::Index, Placeholder::Line].into_iter().any(|own| self.uses(own))
    }

    /// Appends the text for a device.
    pub fn render_to(&self, text: &mut String, identity: &Identity<'_>) {
        for part in &self.parts {
            let written = match part {
                Part::Text(literal) => text.write_str(literal),
                Part::Filled { placeholder, digits } => match placeholder {
                    Placeholder::Device => text.write_str(identity.device),
                    Placeholder::Index => write!(text, "{:0digits$}", u64::from(identity.place) + 1),
                    Placeholder::Fleet => text.write_str(identity.fleet),
                    Placeholder::Run => text.write_str(identity.run),
                    Placeholder::Line => write!(text, "line-{}", identity.place % 4 + 1),
                },
            };
            written.expect("writing to a string cannot fail");
        }
    }

    /// The text for a device.
    pub fn render(&self, identity: &Identity<'_>) -> String {
        let mut text = String::new();
        self.render_to(&mut text, identity);
        text
    }
}

/// What stands between the braces that a text begins with, and what follows.
pub(super) fn inside(text: &str) -> Option<(&str, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (name, digits) = inside.split_once(":0").unwrap_or((inside, "1"));
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_width = digits.len() <= 2 && digits.parse::<u8>().is_ok_and(|digits| (1..=20).contains(&digits));
    (is_name && is_width).then_some((inside, after))
}

fn placeholder(inside: &str) -> Result<Part, UnknownPlaceholder> {
    let (name, digits) = inside.split_once(":0").unwrap_or((inside, "1"));
    let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
    let (_, placeholder) = known.ok_or_else(|| UnknownPlaceholder(name.to_owned()))?;
    Ok(Part::Filled { placeholder: *placeholder, digits: digits.parse().unwrap_or(1) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDENTITY: Identity<'_> = Identity { device: "kiln-7", fleet: "kilns", place: 6, run: "night" };

    #[test]
    fn placeholders_are_filled() {
        for (template, text) in [
            ("plant/{device}/telemetry", "plant/kiln-7/telemetry"),
            ("{fleet}-{index}", "kilns-7"),
            ("{fleet}-{index:05}", "kilns-00007"),
            ("{run}/{line}", "night/line-3"),
            ("{}{ {Device} {index:5}", "{}{ {Device} {index:5}"),
            (r#"{"device":"{device}"}"#, r#"{"device":"kiln-7"}"#),
            ("", ""),
        ] {
            assert_eq!(Template::parse(template).unwrap().render(&IDENTITY), text);
        }
        assert_eq!(Template::parse("a/{devise}"), Err(UnknownPlaceholder("devise".to_owned())));
    }

    #[test]
    fn it_is_known_what_differs_from_device_to_device() {
        for (template, shared) in
            [("a/b", true), ("{fleet}/{run}", true), ("{index}", false), ("{device}", false)]
        {
            assert_eq!(Template::parse(template).unwrap().is_shared(), shared, "{template}");
        }
    }

    proptest! {
        #[test]
        fn text_without_braces_stays_as_it_is(text in "[^{]*") {
            prop_assert_eq!(Template::parse(&text).unwrap().render(&IDENTITY), text);
        }

        #[test]
        fn no_text_breaks_it(text in "[{}a-z:0-9 é]{0,30}") {
            if let Ok(template) = Template::parse(&text) {
                template.render(&IDENTITY);
            }
        }
    }
}
