//! Reading on after a mistake: the clauses of a statement are good places to start again.

use super::SQL_BYTES_MAX;
use super::lexer::{Lexer, Token};
use super::parser::{Parsed, Parser};
use super::tree::Select;
use crate::diagnostic::{Diagnostic, Span};

/// What reading a statement came to.
pub(crate) struct Parsing {
    /// The statement, when all of it could be read; with mistakes, it is what was probably meant.
    pub(crate) select: Option<Select>,
    /// What is wrong, in the order in which it was found.
    pub(crate) mistakes: Vec<Diagnostic>,
}

/// The statement, or the first mistake that was found.
#[cfg(test)]
pub(crate) fn parse_statement(sql: &str) -> Parsed<Select> {
    let Parsing { select, mistakes } = read_statement(sql);
    match mistakes.into_iter().next() {
        Some(mistake) => Err(mistake),
        None => Ok(select.expect("without a mistake there is a statement")),
    }
}

/// Reads a whole statement, as far as it can be read.
pub(crate) fn read_statement(sql: &str) -> Parsing {
    if sql.len() > SQL_BYTES_MAX {
        let message = format!("statement has {} bytes; the most is {SQL_BYTES_MAX}", sql.len());
        return Parsing { select: None, mistakes: vec![Diagnostic::new(sql, Span::default(), message)] };
    }
    let mut parser = match Parser::new(sql, 0) {
        Ok(parser) => parser,
        Err(mistake) => return Parsing { select: None, mistakes: vec![mistake] },
    };
    let select = parser.statement();
    Parsing { select, mistakes: parser.mistakes() }
}

/// Where a clause of a statement may begin.
const CLAUSES: &[&str] = &["FROM", "WHERE"];

impl Parser<'_> {
    /// Reads a part of a statement. When that fails the mistake is remembered, and what comes next is the next clause.
    pub(super) fn clause<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Option<T> {
        match read(self) {
            Ok(part) => Some(part),
            Err(mistake) => {
                let at = mistake.span.start;
                self.report(mistake);
                self.skip_to_clause(at);
                None
            }
        }
    }

    /// Skips what can't be read up to the next clause of the statement itself, not of a subquery.
    fn skip_to_clause(&mut self, from: usize) {
        let mut open = self.brackets_open_at(from);
        // What comes next is the mistake itself, or was read already and the mistake stands behind it.
        if from >= self.ahead().span.end && !self.skip() {
            return;
        }
        loop {
            let starts = CLAUSES.iter().any(|keyword| self.at_keyword(keyword)) || self.at_group_by();
            // A bracket may have been left open, but a subquery never reads from a quoted text.
            if starts && (open == 0 || self.is_quoted_from()) {
                return;
            }
            match self.ahead().token {
                Token::End => return,
                Token::Sign("(" | "[" | "{") => open += 1,
                Token::Sign(")" | "]" | "}") => open = open.saturating_sub(1),
                _ => {}
            }
            if !self.skip() {
                return;
            }
        }
    }

    fn is_quoted_from(&self) -> bool {
        let after = &self.text()[self.ahead().span.end..];
        self.at_keyword("FROM") && after.trim_start().starts_with(['\'', '"'])
    }

    /// How many brackets stand open before byte `at`.
    fn brackets_open_at(&self, at: usize) -> usize {
        let mut lexer = Lexer::new(self.text(), 0);
        let mut open = 0usize;
        while let Ok(lexeme) = lexer.next() {
            if lexeme.span.start >= at || lexeme.token == Token::End {
                break;
            }
            match lexeme.token {
                Token::Sign("(" | "[" | "{") => open += 1,
                Token::Sign(")" | "]" | "}") => open = open.saturating_sub(1),
                _ => {}
            }
        }
        open
    }
}
