//! Texts of actions with `${expression}` in them.
//!
//! Expressions see the original payload, not what SELECT made of it. `$$` stands for one `$`.

use std::sync::Arc;

use crate::check::{Check, Reach};
use crate::diagnostic::{Diagnostic, Span, SqlErrors};
use crate::evaluate::{Evaluation, Scope};
use crate::message::Message;
use crate::misfit::MisfitKinds;
use crate::plan::{Plan, Variables};
use crate::statement::{CompileOptions, Fault, SqlVersion};
use crate::syntax::{Parser, SQL_BYTES_MAX};
use crate::value::write_text;

/// A compiled text. Cheap to share.
#[derive(Debug, Clone)]
pub struct Template {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: String,
    parts: Vec<Part>,
    options: CompileOptions,
    variables: Variables,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Plan),
}

impl Template {
    /// Compiles a text without variables of SET; [`crate::Statement::template`] is for those.
    ///
    /// # Errors
    /// Everything that is wrong with the expressions in it.
    pub fn compile(text: &str, options: CompileOptions) -> Result<Self, SqlErrors> {
        Self::with_variables(text, options, &Vec::new().into(), Reach::Nobody)
    }

    pub(crate) fn with_variables(
        text: &str,
        options: CompileOptions,
        variables: &Variables,
        reach: Reach<'_>,
    ) -> Result<Self, SqlErrors> {
        if text.len() > SQL_BYTES_MAX {
            let message = format!("text has {} bytes; the most is {SQL_BYTES_MAX}", text.len());
            return Err(Diagnostic::new(text, Span::default(), message).into());
        }
        let mut check = Check::new(text, options.version).reaching(reach);
        check.know_variables(variables);
        let parts = split(text, &mut check)?;
        check.finish()?;
        let inner = Inner { source: text.to_owned(), parts, options, variables: variables.clone() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The text, when it holds no expression.
    pub fn as_constant(&self) -> Option<&str> {
        match self.inner.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the text may come out as `name`, whatever its expressions give.
    pub fn may_be(&self, name: &str) -> bool {
        let parts = self.inner.parts.as_slice();
        let mut rest = name;
        for (at, part) in parts.iter().enumerate() {
            let Part::Text(text) = part else { continue };
            let is_last = at + 1 == parts.len();
            let found = match (at, is_last) {
                (0, true) => return rest == text,
                (0, false) => rest.starts_with(text).then_some(0),
                (_, true) => return rest.ends_with(text),
                (_, false) => rest.find(text),
            };
            let Some(found) = found else { return false };
            rest = &rest[found + text.len()..];
        }
        !parts.is_empty() || name.is_empty()
    }

    /// What every text that comes out begins with.
    pub(crate) fn literal_start(&self) -> &str {
        match self.inner.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The pieces of the text that are there whatever the message is.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.inner.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Expression(_) => None,
        })
    }

    /// The text for one message. Undefined and Null leave nothing; what isn't a String is converted.
    ///
    /// # Errors
    /// When a limit of the options is exceeded.
    pub fn render(&self, message: &Message<'_>) -> Result<String, Fault> {
        self.fill(message, None).map(|(text, _)| text)
    }

    /// The same with the misfits on the way; what expressions give goes through `escape`.
    ///
    /// # Errors
    /// As for [`Template::render`].
    pub(crate) fn fill(
        &self,
        message: &Message<'_>,
        escape: Option<fn(&str) -> String>,
    ) -> Result<(String, MisfitKinds), Fault> {
        if let Some(constant) = self.as_constant() {
            return Ok((constant.to_owned(), MisfitKinds::default()));
        }
        let options = &self.inner.options;
        let evaluation = Evaluation::start(options, &self.inner.variables, message)?;
        let mut rendered = String::new();
        for part in &self.inner.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Expression(plan) => {
                    let value = evaluation.value(plan, Scope::Payload);
                    // Null converts to a String no more than Undefined does.
                    if value.is_there() {
                        let start = rendered.len();
                        write_text(&value, options.version == SqlVersion::V2015, &mut rendered);
                        if let Some(escape) = escape {
                            let escaped = escape(&rendered[start..]);
                            rendered.replace_range(start.., &escaped);
                        }
                    }
                }
            }
            if rendered.len() > options.output_bytes_max {
                return Err(Fault::TooLarge { bytes_max: options.output_bytes_max });
            }
        }
        evaluation.fault()?;
        Ok((rendered, evaluation.misfits()))
    }
}

/// Takes a text apart at `$$` and `${…}`; any other `$` is a `$`.
fn split(text: &str, check: &mut Check<'_>) -> Result<Vec<Part>, SqlErrors> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$') {
        literal.push_str(&text[at..at + dollar]);
        at += dollar;
        if text[at..].starts_with("${") {
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            let (plan, end) = expression(text, at, check)?;
            parts.push(Part::Expression(plan));
            at = end;
        } else {
            literal.push('$');
            at += if text[at..].starts_with("$$") { 2 } else { 1 };
        }
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

/// Reads the expression of the `${` at byte `at`, and says where the text goes on.
fn expression(text: &str, at: usize, check: &mut Check<'_>) -> Result<(Plan, usize), Diagnostic> {
    let mut parser = Parser::new(text, at + 2)?;
    let expression = parser.expression()?;
    check.know_mistakes(parser.mistakes());
    match parser.at_sign("}") {
        Some(close) => Ok((check.expression(&expression), close.end)),
        None => Err(Diagnostic::new(text, Span::new(at, text.len()), "`${` is not closed")
            .with_hint("put `}` after the expression; a `$` of the text itself is written `$$`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> String {
        let randomness = || [7u8; 16];
        let payload = br#"{"deviceId":"device-1","n":5.0,"list":[1,"a"],"none":null}"#;
        let message = Message::new("plant/kiln/telemetry", payload, 1_718_000_000_123, &randomness);
        match Template::compile(text, CompileOptions::default()) {
            Ok(template) => template.render(&message).unwrap(),
            Err(errors) => errors.to_string(),
        }
    }

    #[test]
    fn expressions_see_the_payload() {
        assert_eq!(render("${deviceId}"), "device-1");
        assert_eq!(render("a/${topic(2)}/${n + 1}-${list}"), "a/kiln/6-[1,\"a\"]");
        assert_eq!(render("x${missing}y"), "xy");
        assert_eq!(render("x${none}y"), "xy");
        assert_eq!(render("${get({'}': 'brace'}, '}')}"), "brace");
    }

    #[test]
    fn a_pattern_says_what_a_name_may_be() {
        let may_be =
            |text: &str, name: &str| Template::compile(text, CompileOptions::default()).unwrap().may_be(name);
        assert!(may_be("alerts", "alerts") && !may_be("alerts", "alert"));
        assert!(
            may_be("alerts-${a}", "alerts-x")
                && may_be("alerts-${a}", "alerts-")
                && !may_be("alerts-${a}", "alert")
        );
        assert!(may_be("${a}-x", "y-x") && !may_be("${a}-x", "y-z"));
        assert!(may_be("a${b}a", "aa") && !may_be("a${b}a", "a"));
        assert!(may_be("${a}${b}", "x") && may_be("a${b}c${d}e", "axcye") && !may_be("a${b}c${d}e", "axye"));
    }

    #[test]
    fn dollars_stay_themselves() {
        assert_eq!(render("$$aws/things"), "$aws/things");
        assert_eq!(render("$${n}"), "${n}");
        assert_eq!(render("5 $ and $5"), "5 $ and $5");
        assert_eq!(render(""), "");
    }

    #[test]
    fn mistakes_are_found_when_it_is_compiled() {
        assert_eq!(
            render("${uper(deviceId)}"),
            "line 1, column 3: unknown function `uper`; did you mean `upper`?"
        );
        assert!(render("a${deviceId").contains("`${` is not closed"));
        assert!(render("${").contains("expected an expression"));
        assert!(render("${@limit}").contains("unknown variable `@limit`"));
    }

    #[test]
    fn variables_of_the_statement_are_visible() {
        let statement = crate::Statement::compile(
            "SET @key = upper(deviceId) SELECT * FROM '#'",
            CompileOptions::default(),
        )
        .unwrap();
        let template = statement.template("${@key}!").unwrap();
        let randomness = || [7u8; 16];
        let message = Message::new("a", br#"{"deviceId":"device-1"}"#, 0, &randomness);
        assert_eq!(template.render(&message).unwrap(), "DEVICE-1!");
    }
}
