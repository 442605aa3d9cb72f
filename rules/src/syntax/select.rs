//! Statements and subqueries: everything around the expressions.

use super::SQL_BYTES_MAX;
use super::lexer::Token;
use super::parser::{Parsed, Parser};
use super::tree::{Assignment, Body, Expression, Form, Item, Name, Query, Select};
use crate::diagnostic::{Diagnostic, Span};

/// Reads a whole statement.
pub(crate) fn parse_statement(sql: &str) -> Parsed<Select> {
    if sql.len() > SQL_BYTES_MAX {
        let message = format!("statement has {} bytes; the most is {SQL_BYTES_MAX}", sql.len());
        return Err(Diagnostic::new(sql, Span::default(), message));
    }
    Parser::new(sql, 0)?.statement()
}

impl Parser<'_> {
    fn statement(&mut self) -> Parsed<Select> {
        let variables = if self.at_keyword("SET") { self.assignments()? } else { Vec::new() };
        self.expect_keyword("SELECT")?;
        let body = self.body()?;
        let from = if self.take_keyword("FROM")? { Some(self.topic_filter()?) } else { None };
        let condition = self.condition()?;
        if self.ahead().token != Token::End {
            let expected = match (&from, &condition) {
                (None, None) => "`,`, `FROM`, `WHERE` or the end",
                (Some(_), None) => "`WHERE` or the end",
                (_, Some(_)) => "an operator or the end",
            };
            let diagnostic = self.unexpected(expected);
            if from.is_none() && diagnostic.hint.is_none() && self.ahead().token == Token::Word {
                let hint = format!("to name a result write `AS {}`", self.slice(self.ahead().span));
                return Err(diagnostic.with_hint(hint));
            }
            return Err(diagnostic);
        }
        Ok(Select { variables, body, from, condition })
    }

    fn assignments(&mut self) -> Parsed<Vec<Assignment>> {
        self.expect_keyword("SET")?;
        let mut assignments = Vec::new();
        loop {
            if self.ahead().token != Token::Variable {
                return Err(self.unexpected("a variable").with_hint("variables look like `SET @limit = 80`"));
            }
            let span = self.advance()?.span;
            let name = Name { text: self.slice(span)[1..].to_owned(), span };
            self.expect_sign("=")?;
            assignments.push(Assignment { name, value: self.expression()? });
            if !self.take_sign(",")? {
                return Ok(assignments);
            }
        }
    }

    fn body(&mut self) -> Parsed<Body> {
        if self.at_keyword("VALUE") {
            let word = self.advance()?;
            if !self.ends_field() {
                return Ok(Body::Value(self.expression()?));
            }
            // A field of the payload that happens to be called `value`.
            let name = self.slice(word.span).to_owned();
            let mut field = Expression::leaf(Form::Field(name), word.span);
            while self.take_sign(".")? {
                let member = self.member_name()?;
                let span = field.span.join(member.span);
                field = self.node(Form::Member(Box::new(field), member), span)?;
            }
            let alias = self.alias()?;
            return self.items(vec![Item { expression: field, alias }]);
        }
        self.items(Vec::new())
    }

    /// Whether what comes next can't start the expression of SELECT VALUE.
    fn ends_field(&self) -> bool {
        self.ahead().token == Token::End
            || [",", ".", ")"].iter().any(|sign| self.at_sign(sign).is_some())
            || ["FROM", "AS", "WHERE"].iter().any(|keyword| self.at_keyword(keyword))
    }

    fn items(&mut self, mut items: Vec<Item>) -> Parsed<Body> {
        while items.is_empty() || self.take_sign(",")? {
            let expression = self.expression()?;
            let alias = self.alias()?;
            items.push(Item { expression, alias });
        }
        Ok(Body::Items(items))
    }

    fn alias(&mut self) -> Parsed<Vec<Name>> {
        let mut names = Vec::new();
        if self.take_keyword("AS")? {
            if let Token::String(text) = &self.ahead().token {
                let hint = format!("write the name without quotes: `AS {text}`");
                return Err(self.unexpected("a name").with_hint(hint));
            }
            names.push(self.member_name()?);
            while self.take_sign(".")? {
                names.push(self.member_name()?);
            }
        }
        Ok(names)
    }

    fn topic_filter(&mut self) -> Parsed<Name> {
        match self.ahead().token.clone() {
            Token::String(text) => {
                let span = self.advance()?.span;
                Ok(Name { text, span })
            }
            _ => Err(self
                .unexpected("a topic filter")
                .with_hint("write it in quotes: `FROM 'plant/+/telemetry'`")),
        }
    }

    fn condition(&mut self) -> Parsed<Option<Expression>> {
        if self.take_keyword("WHERE")? { self.expression().map(Some) } else { Ok(None) }
    }

    pub(super) fn query(&mut self) -> Parsed<Query> {
        let start = self.expect_keyword("SELECT")?.span;
        let body = self.body()?;
        if !self.at_keyword("FROM") {
            return Err(self
                .unexpected("`,` or `FROM`")
                .with_hint("a subquery names the array or object it reads: `FROM readings`"));
        }
        self.advance()?;
        let source = self.postfix()?;
        let condition = self.condition()?;
        let end = condition.as_ref().map_or(source.span, |condition| condition.span);
        Ok(Query { body, source, condition, span: start.join(end) })
    }
}
