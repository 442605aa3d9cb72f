//! Statements and subqueries: everything around the expressions.

use super::NESTING_MAX;
use super::lexer::Token;
use super::parser::{Parsed, Parser};
use super::tree::{Assignment, Body, Expression, Form, Grouping, Item, Name, Query, Select};
use crate::diagnostic::Span;

impl Parser<'_> {
    /// A whole statement; `None` when a part of it could not be read.
    pub(super) fn statement(&mut self) -> Option<Select> {
        let variables = self.clause(|parser| match parser.at_keyword("SET") {
            true => parser.assignments(),
            false => Ok(Vec::new()),
        });
        let body = self.clause(|parser| {
            parser.expect_keyword("SELECT")?;
            parser.body()
        });
        let from = self.clause(|parser| match parser.take_keyword("FROM")? {
            true => parser.topic_filter().map(Some),
            false => Ok(None),
        });
        let time = self.clause(Self::time);
        let condition = self.clause(Self::condition);
        let is_timed = time.is_some();
        let grouping = self.clause(|parser| parser.grouping(time.flatten())).filter(|_| is_timed);
        let ended = self.clause(|parser| parser.end(&from, &condition, &grouping));
        if ended.is_none() && self.at_keyword("WHERE") {
            // Behind a clause of another dialect stands the condition, which may have mistakes of its own.
            self.clause(Self::condition);
        }
        ended?;
        Some(Select {
            variables: variables?,
            body: body?,
            from: from?,
            condition: condition?,
            grouping: grouping?,
        })
    }

    /// Makes sure that nothing follows.
    fn end(
        &self,
        from: &Option<Option<Name>>,
        condition: &Option<Option<Expression>>,
        grouping: &Option<Option<Box<Grouping>>>,
    ) -> Parsed<()> {
        if self.ahead().token == Token::End {
            return Ok(());
        }
        if !matches!(grouping, Some(None)) {
            let diagnostic = self.unexpected("`,`, `HAVING`, an operator or the end");
            return Err(match ["WHERE", "TIMESTAMP"].into_iter().find(|word| self.at_keyword(word)) {
                Some(word) => diagnostic.with_hint(format!("{word} stands before GROUP BY")),
                None => diagnostic,
            });
        }
        let has_from = !matches!(from, Some(None));
        let expected = match (has_from, condition) {
            (false, Some(None)) => "`,`, `FROM`, `WHERE` or the end",
            (true, Some(None)) => "`WHERE` or the end",
            (..) => "an operator or the end",
        };
        let diagnostic = self.unexpected(expected);
        if diagnostic.hint.is_some() {
            return Err(diagnostic);
        }
        Err(match (&self.ahead().token, has_from, condition) {
            (Token::Word, false, Some(None)) => {
                let word = self.slice(self.ahead().span);
                diagnostic.with_hint(format!(
                    "to name a result write `AS {word}`; between two results stands a comma"
                ))
            }
            (Token::Word, true, Some(None)) => diagnostic
                .with_hint("FROM takes a topic filter and no name for it; fields are written without one"),
            (Token::Word, _, _) if self.at_keyword("FROM") => {
                diagnostic.with_hint("FROM stands before WHERE")
            }
            (Token::Sign(","), true, Some(None)) => {
                diagnostic.with_hint("FROM takes one filter: use `+` and `#`, or make a rule for each topic")
            }
            (Token::Sign("-"), ..) if self.text()[self.ahead().span.start..].starts_with("--") => {
                diagnostic.with_hint("AWS IoT SQL has no comments")
            }
            _ => diagnostic,
        })
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
        self.skip_distinct()?;
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

    /// `DISTINCT`, `ALL` and `TOP 5`, which aren't part of the language, as mistakes; a field may be called so.
    fn skip_distinct(&mut self) -> Parsed<()> {
        let Some(word) = self.word() else { return Ok(()) };
        let Some(known) =
            ["DISTINCT", "ALL", "TOP"].into_iter().find(|known| word.eq_ignore_ascii_case(known))
        else {
            return Ok(());
        };
        let after = self.text()[self.ahead().span.end..].trim_start();
        let follows =
            |start: char| start.is_alphabetic() || "_*'\"@".contains(start) || start.is_ascii_digit();
        let is_keyword = ["FROM", "AS", "WHERE", "IN", "AND", "OR", "NOT"].iter().any(|keyword| {
            let length = after.find(|character: char| !character.is_alphanumeric()).unwrap_or(after.len());
            after[..length].eq_ignore_ascii_case(keyword)
        });
        if is_keyword || !after.starts_with(follows) {
            return Ok(());
        }
        // `all * 2` is an operation, `DISTINCT *` isn't.
        if after.starts_with('*') && !after[1..].trim_start().to_ascii_uppercase().starts_with("FROM") {
            return Ok(());
        }
        let mut span = self.advance()?.span;
        if known == "TOP" && matches!(self.ahead().token, Token::Number(_)) {
            span = span.join(self.advance()?.span);
        }
        let hint = "a rule sees one message at a time; leave it out";
        self.report(self.fault(span, format!("`{known}` is not part of AWS IoT SQL")).with_hint(hint));
        Ok(())
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
            if let Token::String(text) = self.ahead().token.clone() {
                let hint = if text
                    .chars()
                    .all(|character| character.is_alphanumeric() || "_.".contains(character))
                {
                    format!("write the name without quotes: `AS {text}`")
                } else {
                    "write a name of letters, digits and `_` without quotes; `SELECT VALUE {'my-key': a}` makes any key".to_owned()
                };
                self.report(self.unexpected("a name").with_hint(hint));
                let span = self.advance()?.span;
                return Ok(vec![Name { text, span }]);
            }
            names.push(self.member_name()?);
            while self.take_sign(".")? {
                if names.len() == NESTING_MAX {
                    let span = self.ahead().span;
                    return Err(self.fault(span, format!("alias has more than {NESTING_MAX} names")));
                }
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
            Token::Word | Token::Sign(_) => Ok(self.unquoted_topic()),
            _ => Err(self
                .unexpected("a topic filter")
                .with_hint("write it in quotes: `FROM 'plant/+/telemetry'`")),
        }
    }

    /// A topic filter whose quotes, or the first of them, were forgotten.
    fn unquoted_topic(&mut self) -> Name {
        let start = self.ahead().span.start;
        let rest = &self.text()[start..];
        let length =
            rest.find(|end: char| end.is_whitespace() || "'\";,".contains(end)).unwrap_or(rest.len());
        let quote = usize::from(rest[length..].starts_with(['\'', '"']));
        let (text, span) = (rest[..length].to_owned(), Span::new(start, start + length + quote));
        let hint = format!("write it in quotes: `FROM '{text}'`");
        self.report(self.fault(span, "the topic filter is not in quotes").with_hint(hint));
        self.restart(span.end);
        Name { text, span }
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
