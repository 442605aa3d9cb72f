//! Templates: JSON in which `<name>` stands where a value or a part of a text belongs.

use super::path::JsonPath;
use crate::TransformError;
use crate::diagnostic::nearest;
use crate::json::{DEPTH_MAX, Fault, Kind, Reader};

/// A template with its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) variables: Vec<(Box<str>, JsonPath)>,
    pub(super) root: Node,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// As it is written.
    Literal(Box<str>),
    Text(Vec<Piece>),
    Object(Vec<(Vec<Piece>, Node)>),
    Array(Vec<Node>),
    Value(Variable),
}

/// A piece of a text, its escapes kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Box<str>),
    Value(Variable),
}

/// What stands in angle brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    /// The place among the template's variables.
    Declared(usize),
    RuleArn,
    RuleName,
    IngestionTime,
    /// The event without its `detail`.
    Event,
    EventJson,
}

/// What needs no declaration.
const PREDEFINED: [(&str, Variable); 5] = [
    ("aws.events.rule-arn", Variable::RuleArn),
    ("aws.events.rule-name", Variable::RuleName),
    ("aws.events.event.ingestion-time", Variable::IngestionTime),
    ("aws.events.event", Variable::Event),
    ("aws.events.event.json", Variable::EventJson),
];

struct Parser<'t> {
    reader: Reader<'t>,
    variables: &'t [(Box<str>, JsonPath)],
}

impl Template {
    pub(super) fn parse(text: &str, variables: Vec<(Box<str>, JsonPath)>) -> Result<Self, TransformError> {
        let mut parser = Parser { reader: Reader::new(text), variables: &variables };
        let root = parser.node(0)?;
        parser.reader.end().map_err(not_json)?;
        Ok(Self { root, variables })
    }
}

fn not_json(fault: Fault) -> TransformError {
    let Fault { offset, expected } = fault;
    TransformError::new(format!(
        "template is not JSON with `<name>` in it: expected {expected} at byte {offset}; a text stands in quotes, as in `\"state of <device>\"`"
    ))
}

impl Parser<'_> {
    fn node(&mut self, depth: usize) -> Result<Node, TransformError> {
        if depth > DEPTH_MAX {
            return Err(TransformError::new(format!("template is nested deeper than {DEPTH_MAX}")));
        }
        if self.reader.pass(b'<') {
            let name = self.reader.until('>').map_err(not_json)?;
            return self.variable(name).map(Node::Value);
        }
        match self.reader.kind().map_err(not_json)? {
            Kind::Object => self.object(depth),
            Kind::Array => self.array(depth),
            Kind::Text => self.text().map(Node::Text),
            _ => self.reader.value(depth).map(|literal| Node::Literal(literal.into())).map_err(not_json),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node, TransformError> {
        let mut members = Vec::new();
        if self.reader.pass(b'{') && self.reader.pass(b'}') {
            return Ok(Node::Object(members));
        }
        loop {
            let name = self.text()?;
            self.reader.expect(b':', "`:`").map_err(not_json)?;
            members.push((name, self.node(depth + 1)?));
            if !self.reader.pass(b',') {
                self.reader.expect(b'}', "`,` or `}`").map_err(not_json)?;
                return Ok(Node::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, TransformError> {
        let mut elements = Vec::new();
        if self.reader.pass(b'[') && self.reader.pass(b']') {
            return Ok(Node::Array(elements));
        }
        loop {
            elements.push(self.node(depth + 1)?);
            if !self.reader.pass(b',') {
                self.reader.expect(b']', "`,` or `]`").map_err(not_json)?;
                return Ok(Node::Array(elements));
            }
        }
    }

    fn text(&mut self) -> Result<Vec<Piece>, TransformError> {
        self.reader.space();
        let mut rest = self.reader.raw_text().map_err(not_json)?;
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some(at) = rest.find('<') {
            literal.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let is_name = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
            match behind.split_once('>').filter(|(name, _)| !name.is_empty() && name.chars().all(is_name)) {
                Some((name, behind)) => {
                    let variable = self.variable(name)?;
                    if matches!(variable, Variable::Event | Variable::EventJson) {
                        let message = format!(
                            "`<{name}>` is an object and stands where a value stands, not within a text"
                        );
                        return Err(TransformError::new(message));
                    }
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                    pieces.push(Piece::Value(variable));
                    rest = behind;
                }
                None => {
                    literal.push('<');
                    rest = behind;
                }
            }
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal.into()));
        pieces.retain(|piece| !matches!(piece, Piece::Literal(text) if text.is_empty()));
        Ok(pieces)
    }

    fn variable(&self, name: &str) -> Result<Variable, TransformError> {
        if let Some((_, variable)) = PREDEFINED.iter().find(|(known, _)| *known == name) {
            return Ok(*variable);
        }
        if let Some(place) = self.variables.iter().position(|(known, _)| **known == *name) {
            return Ok(Variable::Declared(place));
        }
        let declared = self.variables.iter().map(|(known, _)| &**known);
        let known: Vec<&str> = declared.chain(PREDEFINED.iter().map(|(known, _)| *known)).collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("did you mean `<{near}>`?"),
            None => format!("declare it, as in `{name} = \"$.detail.{name}\"`"),
        };
        Err(TransformError::new(format!(
            "template names the variable `<{name}>`, which there is not; {hint}"
        )))
    }
}
