//! A message to be tried on a statement or a rule: a case without an expectation.

use super::fields::Fields;
use super::fixtures::Fixtures;
use super::format::{NOT_OURS, Sent};
use crate::definition::{Definition, Filled};
use crate::explain::Explanation;
use crate::outside::{Capabilities, Outside};
use crate::statement::{CompileOptions, SqlVersion, Statement};

/// What is tried: the fields of a case, with `rule` for the name of a rule instead of `sql`.
#[derive(Debug)]
pub struct Trial<'l> {
    sql: Option<String>,
    sql_version: Option<String>,
    rule: Option<String>,
    sent: Sent<'l>,
    fixtures: Option<Fixtures>,
    remarks: Vec<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// What the statement makes of the message, and why.
    pub explanation: Explanation,
    /// The settings of each action, if a rule was tried.
    pub actions: Vec<Vec<Filled>>,
}

impl<'l> Trial<'l> {
    /// Reads an object; `now_ms` is the moment of a message that names none.
    ///
    /// # Errors
    /// What is wrong with it, with the name of the field.
    pub fn read(text: &'l str, now_ms: u64) -> Result<Self, String> {
        let mut fields = Fields::read(text, "an object")?;
        let mut remarks = Vec::new();
        let names_time = fields.has("now_ms");
        let sent = Sent::read(&mut fields, None)?;
        let trial = Self {
            sql: fields.take("sql")?,
            sql_version: fields.text("sql_version")?,
            rule: fields.text("rule")?,
            sent: if names_time { sent } else { sent.at(now_ms) },
            fixtures: Fixtures::read(&mut fields, &mut remarks)?,
            remarks: Vec::new(),
        };
        fields.pass_over(NOT_OURS);
        fields.pass_over(&["id", "rule_name", "expect", "templates", "tolerance"]);
        fields.left_over("the message", &mut remarks);
        match (&trial.sql, &trial.rule) {
            (None, None) => Err("there is nothing to try; write `sql`, or the name of a `rule`".to_owned()),
            (Some(_), Some(_)) => Err("`sql` and `rule` are two things to try; write one of them".to_owned()),
            _ => Ok(Self { remarks, ..trial }),
        }
    }

    /// The name of the rule, if one is tried.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// What is odd and changes nothing, such as a field that nobody reads.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Tries it: on the rule that [`Trial::rule`] names, or on its own statement. Its fixtures answer questions, or else `outside`.
    ///
    /// # Errors
    /// What is wrong with the statement or the message.
    pub fn run(&self, rule: Option<&Definition>, outside: Option<&dyn Outside>) -> Result<Tried, String> {
        let statement = match (rule, &self.sql) {
            (Some(rule), _) => rule.statement.clone(),
            (None, sql) => self.compile(sql.as_deref().unwrap_or_default())?,
        };
        let payload = self.sent.payload()?;
        let mut message = self.sent.message(&payload);
        if let Some(outside) = self.fixtures.as_ref().map(|fixtures| fixtures as &dyn Outside).or(outside) {
            message.outside = outside;
        }
        let explanation = statement.explain(&message);
        let actions = rule.filter(|_| explanation.is_event()).into_iter().flat_map(|rule| &rule.actions);
        let actions = actions.map(|action| action.filled(&message)).collect();
        Ok(Tried { explanation, actions })
    }

    fn compile(&self, sql: &str) -> Result<Statement, String> {
        let version = match &self.sql_version {
            Some(text) => SqlVersion::parse(text).ok_or_else(|| format!("unknown SQL version `{text}`"))?,
            None => SqlVersion::default(),
        };
        let options = CompileOptions { version, ..CompileOptions::default() };
        Statement::compile_for(sql, options, &Capabilities::all()).map_err(|errors| errors.render(sql, "sql"))
    }
}
