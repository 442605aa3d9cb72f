//! What windows add to a statement: TIMESTAMP BY, GROUP BY and HAVING.
//!
//! None of the words is reserved: they stand only where an ordinary statement has WHERE or ends, so that fields called
//! `group`, `having` or `timestamp` need no quotes.

use super::parser::{Parsed, Parser};
use super::tree::{Expression, Grouping};
use crate::diagnostic::Span;

impl Parser<'_> {
    /// `TIMESTAMP BY expression`, with the place of the keyword.
    pub(super) fn time(&mut self) -> Parsed<Option<(Span, Expression)>> {
        if !self.at_keyword("TIMESTAMP") {
            return Ok(None);
        }
        let keyword = self.advance()?.span;
        self.expect_keyword("BY")?;
        Ok(Some((keyword, self.expression()?)))
    }

    /// Whether GROUP BY is next, and not a field called `group`.
    pub(super) fn at_group_by(&self) -> bool {
        let after = self.text()[self.ahead().span.end..].trim_start();
        let is_by = after.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("BY"));
        self.at_keyword("GROUP")
            && is_by
            && !after[2..].starts_with(|next: char| next.is_alphanumeric() || next == '_')
    }

    /// `GROUP BY expression, …` and `HAVING expression`; `time` came before.
    pub(super) fn grouping(&mut self, time: Option<(Span, Expression)>) -> Parsed<Option<Box<Grouping>>> {
        let mut keyword = time.as_ref().map(|(span, _)| *span);
        let mut keys = Vec::new();
        if self.at_keyword("GROUP") {
            let group = self.advance()?.span;
            keyword = keyword.or(Some(group));
            self.expect_keyword("BY")?;
            while keys.is_empty() || self.take_sign(",")? {
                keys.push(self.expression()?);
            }
        }
        let mut having = None;
        if self.at_keyword("HAVING") {
            let word = self.advance()?.span;
            keyword = keyword.or(Some(word));
            having = Some(self.expression()?);
        }
        let time = time.map(|(_, time)| time);
        Ok(keyword.map(|keyword| Box::new(Grouping { time, keys, having, keyword })))
    }
}
