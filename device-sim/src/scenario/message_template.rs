//! Payloads given as text with placeholders.

use super::template::{UnknownPlaceholder, inside};
use super::{Field, Signal, Template};

/// A payload as text, parsed once. Its placeholders are parts of the proof, what is known of the device, and the
/// values that stand beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageTemplate {
    parts: Vec<MessagePart>,
    fields: Vec<Field>,
}

/// A part of a payload's text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MessagePart {
    Text(Box<str>),
    Proof(ProofPart),
    /// The value with this number.
    Field(usize),
}

/// What a message proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProofPart {
    Device,
    Run,
    Sequence,
    SentAtMs,
    DueMicros,
    Checksum,
    Padding,
}

const PROOF: &[(&str, ProofPart)] = &[
    ("device", ProofPart::Device),
    ("run", ProofPart::Run),
    ("sequence", ProofPart::Sequence),
    ("sent_at_ms", ProofPart::SentAtMs),
    ("due_micros", ProofPart::DueMicros),
    ("checksum", ProofPart::Checksum),
    ("padding", ProofPart::Padding),
];

impl MessageTemplate {
    /// Parses a template that may name these values. A value's name goes before everything else.
    ///
    /// # Errors
    /// When a placeholder does not exist.
    pub fn parse(text: &str, mut fields: Vec<Field>) -> Result<Self, UnknownPlaceholder> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            literal.push_str(&rest[..open]);
            rest = &rest[open..];
            let Some((name, after)) = inside(rest) else {
                literal.push('{');
                rest = &rest[1..];
                continue;
            };
            parts.push(MessagePart::Text(std::mem::take(&mut literal).into()));
            parts.push(part(name, &mut fields)?);
            rest = after;
        }
        literal.push_str(rest);
        parts.push(MessagePart::Text(literal.into()));
        Ok(Self { parts, fields })
    }

    /// The same, with a member that holds the padding; `None` when the text is no JSON object or a placeholder does not
    /// exist.
    pub fn padded(text: &str, fields: Vec<Field>) -> Option<Self> {
        let body = text.trim_end().strip_suffix('}')?;
        let comma = if body.trim_end().ends_with('{') { "" } else { "," };
        Self::parse(&format!("{body}{comma}\"padding\":\"{{padding}}\"}}"), fields).ok()
    }

    /// The names that may stand between braces, but for those of values.
    pub fn known() -> impl Iterator<Item = &'static str> {
        PROOF.iter().map(|(name, _)| *name).chain(Template::known())
    }

    pub(crate) fn parts(&self) -> &[MessagePart] {
        &self.parts
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether `{padding}` is in it.
    pub fn has_padding(&self) -> bool {
        self.parts.contains(&MessagePart::Proof(ProofPart::Padding))
    }
}

fn part(name: &str, fields: &mut Vec<Field>) -> Result<MessagePart, UnknownPlaceholder> {
    if let Some(number) = fields.iter().position(|field| *field.name == *name) {
        return Ok(MessagePart::Field(number));
    }
    if let Some((_, part)) = PROOF.iter().find(|(known, _)| *known == name) {
        return Ok(MessagePart::Proof(*part));
    }
    // What is known of a device does not change, so it is a value like any other.
    let template = Template::parse(&format!("{{{name}}}"))?;
    fields.push(Field { name: name.into(), signal: Signal::Text(template) });
    Ok(MessagePart::Field(fields.len() - 1))
}
