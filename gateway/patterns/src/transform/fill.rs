//! Fills a template in.
//!
//! Where a value stands, a variable is what the event has there: texts in quotes, objects and arrays as they are. Within a text, a text goes in
//! as it is written between its quotes in the event, so that nothing is escaped twice and the result stays JSON; of an object or an array the
//! quotes are left out. A variable without a value does not appear: nothing within a text, no member and no element where a value stands.

use super::template::{Node, Piece, Template, Variable};
use super::{Context, RESULT_BYTES_MAX, TransformFault};
use crate::json::{Kind, Reader, escaped};

struct Filling<'f> {
    event: &'f str,
    context: &'f Context<'f>,
    /// Of the declared variables.
    values: Vec<Option<&'f str>>,
    result: String,
}

impl Template {
    /// The template with the values that `event` has.
    pub(super) fn fill(&self, event: &str, context: &Context<'_>) -> Result<String, TransformFault> {
        let values = self.variables.iter().map(|(_, path)| path.find(event)).collect::<Result<_, _>>()?;
        let mut filling = Filling { event, context, values, result: String::new() };
        if !filling.node(&self.root)? {
            filling.put("null")?;
        }
        Ok(filling.result)
    }
}

impl Filling<'_> {
    fn put(&mut self, text: &str) -> Result<(), TransformFault> {
        if self.result.len() + text.len() > RESULT_BYTES_MAX {
            return Err(TransformFault::TooLarge);
        }
        self.result.push_str(text);
        Ok(())
    }

    /// Writes a node, and says whether there is anything to write.
    fn node(&mut self, node: &Node) -> Result<bool, TransformFault> {
        match node {
            Node::Literal(literal) => self.put(literal)?,
            Node::Text(pieces) => self.text(pieces)?,
            Node::Value(variable) => return self.value(*variable),
            Node::Object(members) => {
                self.put("{")?;
                let mut is_first = true;
                for (name, node) in members {
                    let start = self.result.len();
                    self.put(if is_first { "" } else { "," })?;
                    self.text(name)?;
                    self.put(":")?;
                    match self.node(node)? {
                        true => is_first = false,
                        false => self.result.truncate(start),
                    }
                }
                self.put("}")?;
            }
            Node::Array(elements) => {
                self.put("[")?;
                let mut is_first = true;
                for element in elements {
                    let start = self.result.len();
                    self.put(if is_first { "" } else { "," })?;
                    match self.node(element)? {
                        true => is_first = false,
                        false => self.result.truncate(start),
                    }
                }
                self.put("]")?;
            }
        }
        Ok(true)
    }

    fn value(&mut self, variable: Variable) -> Result<bool, TransformFault> {
        match variable {
            Variable::Declared(place) => match self.values[place] {
                Some(value) => self.put(value)?,
                None => return Ok(false),
            },
            Variable::Event => self.event_without_detail()?,
            Variable::EventJson => self.put(self.event.trim())?,
            Variable::RuleArn | Variable::RuleName | Variable::IngestionTime => {
                self.put("\"")?;
                self.within(variable)?;
                self.put("\"")?;
            }
        }
        Ok(true)
    }

    fn text(&mut self, pieces: &[Piece]) -> Result<(), TransformFault> {
        self.put("\"")?;
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => self.put(literal)?,
                Piece::Value(variable) => self.within(*variable)?,
            }
        }
        self.put("\"")
    }

    /// A variable within a text.
    fn within(&mut self, variable: Variable) -> Result<(), TransformFault> {
        let context = self.context;
        match variable {
            Variable::Declared(place) => match self.values[place] {
                Some(value) => self.without_quotes(value),
                None => Ok(()),
            },
            Variable::RuleArn => self.put(&escaped(context.rule_arn)),
            Variable::RuleName => self.put(&escaped(context.rule_name)),
            Variable::IngestionTime => self.put(&escaped(context.ingestion_time)),
            // Refused where templates are read.
            Variable::Event | Variable::EventJson => Ok(()),
        }
    }

    /// A value without the quotes and the white space that belong to no text; escapes stay.
    fn without_quotes(&mut self, value: &str) -> Result<(), TransformFault> {
        let mut rest = value;
        while let Some(quote) = rest.find('"') {
            let plain: String = rest[..quote].split_ascii_whitespace().collect();
            self.put(&plain)?;
            let mut reader = Reader::new(&rest[quote..]);
            let text = reader.raw_text()?;
            self.put(text)?;
            rest = &rest[quote + reader.offset()..];
        }
        let plain: String = rest.split_ascii_whitespace().collect();
        self.put(&plain)
    }

    fn event_without_detail(&mut self) -> Result<(), TransformFault> {
        let event = self.event;
        let mut reader = Reader::new(event);
        if reader.kind()? != Kind::Object {
            return self.put(event.trim());
        }
        reader.expect(b'{', "`{`")?;
        self.put("{")?;
        let mut is_first = true;
        while !reader.pass(b'}') {
            reader.space();
            let name = reader.raw_text()?;
            reader.expect(b':', "`:`")?;
            let value = reader.value(1)?;
            if name != "detail" {
                self.put(if is_first { "\"" } else { ",\"" })?;
                self.put(name)?;
                self.put("\":")?;
                self.put(value)?;
                is_first = false;
            }
            reader.pass(b',');
        }
        self.put("}")
    }
}
