//! Expressions, by precedence climbing (Pratt): the strength of the operator on the left decides how far to read.

use super::foreign;
use super::lexer::{Lexeme, Lexer, Token};
use super::tree::{Case, CastTarget, Expression, Form, Name, Operator, Query, strength};
use super::{CHAIN_MAX, NESTING_MAX};
use crate::diagnostic::{Diagnostic, Position, Span, nearest};

/// Words that can't be names of fields. VALUE, SET and CAST are told apart by where they stand.
const RESERVED: &[&str] = &[
    "SELECT", "FROM", "WHERE", "AS", "AND", "OR", "NOT", "IN", "EXISTS", "CASE", "WHEN", "THEN", "ELSE",
    "END", "TRUE", "FALSE", "NULL",
];

pub(crate) struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// The lexeme to be read next.
    ahead: Lexeme,
    /// What was read last.
    behind: Span,
    nesting: usize,
}

pub(super) type Parsed<T> = Result<T, Diagnostic>;

impl<'t> Parser<'t> {
    /// A parser that starts at byte `at` of `text`.
    pub(crate) fn new(text: &'t str, at: usize) -> Parsed<Self> {
        let mut lexer = Lexer::new(text, at);
        let ahead = lexer.next()?;
        Ok(Self { text, lexer, ahead, behind: Span::new(at, at), nesting: 0 })
    }

    /// Reads an expression.
    pub(crate) fn expression(&mut self) -> Parsed<Expression> {
        self.climb(0)
    }

    /// Whether `sign` is next. Where it ends, too, for callers that go on reading text that is no SQL.
    pub(crate) fn at_sign(&self, sign: &str) -> Option<Span> {
        matches!(self.ahead.token, Token::Sign(next) if next == sign).then_some(self.ahead.span)
    }

    /// What was wrong so far although it could be read. A text without an error may have such mistakes all the same.
    pub(crate) fn mistakes(&mut self) -> Vec<Diagnostic> {
        self.lexer.mistakes()
    }

    /// Remembers a mistake after which reading can go on.
    pub(super) fn report(&mut self, mistake: Diagnostic) {
        self.lexer.report(mistake);
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn advance(&mut self) -> Parsed<Lexeme> {
        let next = self.lexer.next()?;
        self.behind = self.ahead.span;
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    /// Skips what is next, whatever comes then; false when the rest can't be read at all.
    pub(super) fn skip(&mut self) -> bool {
        let before = self.lexer.at();
        if let Err(mistake) = self.advance() {
            self.ahead = Lexeme { token: Token::End, span: mistake.span };
            return self.lexer.at() > before && self.restart(self.lexer.at());
        }
        true
    }

    /// Goes on at byte `at`; false when nothing can be read there.
    pub(super) fn restart(&mut self, at: usize) -> bool {
        self.lexer.go_to(at);
        match self.lexer.next() {
            Ok(next) => self.ahead = next,
            Err(mistake) => {
                self.ahead = Lexeme { token: Token::End, span: mistake.span };
                self.report(mistake);
            }
        }
        self.ahead.token != Token::End
    }

    pub(super) fn ahead(&self) -> &Lexeme {
        &self.ahead
    }

    pub(super) fn slice(&self, span: Span) -> &'t str {
        &self.text[span.start..span.end]
    }

    /// The word that is next, whatever it means.
    pub(super) fn word(&self) -> Option<&'t str> {
        (self.ahead.token == Token::Word).then(|| self.slice(self.ahead.span))
    }

    pub(super) fn at_keyword(&self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// Takes `keyword` if it is next.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> Parsed<bool> {
        let found = self.at_keyword(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Parsed<Lexeme> {
        if self.at_keyword(keyword) { self.advance() } else { Err(self.unexpected(&format!("`{keyword}`"))) }
    }

    /// Takes `sign` if it is next.
    pub(super) fn take_sign(&mut self, sign: &str) -> Parsed<bool> {
        let found = self.at_sign(sign).is_some();
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Parsed<Lexeme> {
        if self.at_sign(sign).is_some() { self.advance() } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    pub(super) fn fault(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.text, span, message)
    }

    /// The diagnostic for what is next, where `expected` should be.
    pub(super) fn unexpected(&self, expected: &str) -> Diagnostic {
        let span = self.ahead.span;
        let found = match &self.ahead.token {
            Token::End => "the end of the text".to_owned(),
            _ => format!("`{}`", self.slice(span)),
        };
        let diagnostic = self.fault(span, format!("expected {expected}, found {found}"));
        match self.unexpected_hint(expected) {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    }

    fn unexpected_hint(&self, expected: &str) -> Option<String> {
        let string_begins =
            self.text.as_bytes().get(self.behind.start).is_some_and(|byte| b"'\"".contains(byte));
        let follows = self.behind.end == self.ahead.span.start;
        if string_begins && follows && matches!(self.ahead.token, Token::Word | Token::Number(_)) {
            let Position { line, column } = Position::of(self.text, self.behind.start);
            return Some(format!(
                "the string before it began at line {line}, column {column}: is a quote missing?"
            ));
        }
        if let Token::Sign(close @ (")" | "]" | "}")) = self.ahead.token
            && !expected.contains(close)
        {
            return Some(format!("nothing is open that this `{close}` could close"));
        }
        let word = self.word()?;
        if let Some(hint) = foreign::word_hint(word) {
            return Some(hint.to_owned());
        }
        let keyword = nearest(word, expected_words(expected))?;
        (!word.eq_ignore_ascii_case(keyword)).then(|| format!("did you mean `{keyword}`?"))
    }

    /// Takes the sign that closes the bracket at `open`.
    fn close(&mut self, open: Span, sign: &str) -> Parsed<Lexeme> {
        if self.at_sign(sign).is_some() {
            self.advance()
        } else {
            Err(self.not_closed(open, &format!("`{sign}`")))
        }
    }

    fn not_closed(&self, open: Span, expected: &str) -> Diagnostic {
        let diagnostic = self.unexpected(expected);
        let is_clause = ["FROM", "WHERE", "AS"].iter().any(|keyword| self.at_keyword(keyword));
        if diagnostic.hint.is_some() || !(is_clause || self.ahead.token == Token::End) {
            return diagnostic;
        }
        let Position { line, column } = Position::of(self.text, open.start);
        let hint = format!("the `{}` at line {line}, column {column} is not closed", self.slice(open));
        diagnostic.with_hint(hint)
    }

    /// Reads an expression whose operators bind at least as tightly as `strength_min`.
    pub(super) fn climb(&mut self, strength_min: u8) -> Parsed<Expression> {
        let mut left = self.prefix()?;
        loop {
            let foreign =
                if self.at_foreign_operator() { Some((Infix::Foreign, foreign::STRENGTH)) } else { None };
            match self.infix().or(foreign) {
                Some((operator, strength)) if strength >= strength_min => {
                    left = self.operation(left, operator, strength)?;
                    if strength == strength::COMPARISON
                        && self.infix().is_some_and(|(_, next)| next == strength)
                    {
                        return Err(self.unexpected("`AND`, `OR` or the end").with_hint(
                            "comparisons don't chain: write `a < b AND b < c`, or parentheses around the first",
                        ));
                    }
                }
                _ => return Ok(left),
            }
        }
    }

    /// Runs `read` one level deeper, which is refused beyond the limit.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= NESTING_MAX {
            return Err(self.fault(
                self.ahead.span,
                format!("expression is nested more than {NESTING_MAX} levels deep"),
            ));
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    fn operation(&mut self, left: Expression, operator: Infix, strength: u8) -> Parsed<Expression> {
        let start = self.ahead.span;
        if operator == Infix::Foreign {
            return self.foreign_operation(left, start, false);
        }
        self.advance()?;
        if operator == Infix::NotIn {
            if self.at_foreign_operator() {
                return self.foreign_operation(left, start, true);
            }
            self.expect_keyword("IN")?;
        }
        let right = self.climb(strength + 1)?;
        let span = left.span.join(right.span);
        let (left, right) = (Box::new(left), Box::new(right));
        match operator {
            Infix::Binary(operator) => self.node(Form::Binary(operator, left, right), span),
            Infix::In | Infix::Foreign => self.node(Form::In(left, right), span),
            Infix::NotIn => {
                let inner = self.node(Form::In(left, right), span)?;
                self.node(Form::Not(Box::new(inner)), span)
            }
        }
    }

    /// The operator that is next, and how tightly it binds.
    fn infix(&self) -> Option<(Infix, u8)> {
        use Operator::*;
        let operator = match &self.ahead.token {
            Token::Sign("=") => Equal,
            Token::Sign("<>") => NotEqual,
            Token::Sign("<") => Less,
            Token::Sign("<=") => LessOrEqual,
            Token::Sign(">") => Greater,
            Token::Sign(">=") => GreaterOrEqual,
            Token::Sign("+") => Add,
            Token::Sign("-") => Subtract,
            Token::Sign("*") => Multiply,
            Token::Sign("/") => Divide,
            Token::Sign("%") => Remainder,
            Token::Sign("OR") => Or,
            Token::Sign("AND") => And,
            Token::Word if self.at_keyword("OR") => Or,
            Token::Word if self.at_keyword("AND") => And,
            Token::Word if self.at_keyword("IN") => return Some((Infix::In, strength::COMPARISON)),
            Token::Word if self.at_keyword("NOT") => return Some((Infix::NotIn, strength::COMPARISON)),
            _ => return None,
        };
        Some((Infix::Binary(operator), operator.strength()))
    }

    fn prefix(&mut self) -> Parsed<Expression> {
        let start = self.ahead.span;
        if self.take_keyword("NOT")? || self.take_sign("NOT")? {
            let operand = self.nested(|parser| parser.climb(strength::NOT))?;
            let span = start.join(operand.span);
            return self.node(Form::Not(Box::new(operand)), span);
        }
        if self.at_sign("+").is_some() {
            return self.plus();
        }
        if self.take_sign("-")? {
            let operand = self.nested(|parser| parser.climb(strength::NEGATE))?;
            let span = start.join(operand.span);
            return match operand.form {
                Form::Number(number) => self.node(Form::Number(number.negated()), span),
                _ => self.node(Form::Negate(Box::new(operand)), span),
            };
        }
        self.postfix()
    }

    /// A primary and the members reached from it.
    pub(super) fn postfix(&mut self) -> Parsed<Expression> {
        let mut expression = self.primary()?;
        loop {
            if self.at_sign("[").is_some() {
                expression = self.brackets(expression)?;
            } else if self.take_sign(".")? {
                let member = self.member_name()?;
                let span = expression.span.join(member.span);
                expression = self.node(Form::Member(Box::new(expression), member), span)?;
            } else {
                return Ok(expression);
            }
        }
    }

    /// A name after a dot, where reserved words are ordinary names.
    pub(super) fn member_name(&mut self) -> Parsed<Name> {
        if self.ahead.token != Token::Word {
            let diagnostic = self.unexpected("a name after `.`");
            return Err(match self.ahead.token {
                Token::Sign("*") => {
                    diagnostic.with_hint("`*` stands for the whole payload only; list the members you need")
                }
                Token::Number(_) => diagnostic.with_hint(
                    "a key that is a number is reached with `get(array, 0)` or `get(object, '0')`",
                ),
                Token::String(_) => {
                    diagnostic.with_hint("such a key is reached with `get(object, 'my-key')`")
                }
                _ => diagnostic,
            });
        }
        let lexeme = self.advance()?;
        Ok(Name { text: self.slice(lexeme.span).to_owned(), span: lexeme.span })
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let Lexeme { token, span } = self.ahead.clone();
        match token {
            Token::Number(number) => self.leaf(Form::Number(number)),
            Token::String(text) => self.leaf(Form::String(text)),
            Token::Variable => self.leaf(Form::Variable(self.slice(span)[1..].to_owned())),
            Token::Sign("*") => self.leaf(Form::Star),
            Token::Sign("(") => self.nested(Self::parentheses),
            Token::Sign("[") => self.nested(Self::array),
            Token::Sign("{") => self.nested(Self::object),
            Token::Word => self.word_primary(span),
            Token::Sign(".") => self.leading_point(),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn leaf(&mut self, form: Form) -> Parsed<Expression> {
        let lexeme = self.advance()?;
        Ok(Expression::leaf(form, lexeme.span))
    }

    fn word_primary(&mut self, span: Span) -> Parsed<Expression> {
        let word = self.slice(span);
        match word.to_ascii_uppercase().as_str() {
            "TRUE" => self.leaf(Form::Boolean(true)),
            "FALSE" => self.leaf(Form::Boolean(false)),
            "NULL" => self.leaf(Form::Null),
            "CASE" if foreign::is_named(&self.text[span.end..]) => {
                let hint = foreign::reserved_hint(word, "", "");
                Err(self.unexpected("an expression").with_hint(hint))
            }
            "CASE" => self.nested(Self::case),
            "EXISTS" => self.nested(Self::exists),
            "SELECT" => self.nested(|parser| {
                let query = parser.query()?;
                parser.query_node(query)
            }),
            upper if RESERVED.contains(&upper) => {
                let diagnostic = self.unexpected("an expression");
                Err(match diagnostic.hint {
                    Some(_) => diagnostic,
                    None => diagnostic.with_hint(foreign::reserved_hint(
                        word,
                        &self.text[..span.start],
                        &self.text[span.end..],
                    )),
                })
            }
            upper => {
                self.advance()?;
                match self.at_sign("(") {
                    Some(_) if upper == "CAST" => self.nested(|parser| parser.cast(span)),
                    Some(_) => self.nested(|parser| parser.call(span)),
                    None => Ok(Expression::leaf(Form::Field(word.to_owned()), span)),
                }
            }
        }
    }

    fn parentheses(&mut self) -> Parsed<Expression> {
        let open = self.advance()?;
        // The parentheses of a subquery are its own: they are no further level.
        let mut inner = match self.at_keyword("SELECT") {
            true => {
                let query = self.query()?;
                self.query_node(query)?
            }
            false => self.expression()?,
        };
        if self.at_sign(",").is_some() {
            return self.list_in_parentheses(open.span, inner);
        }
        let close = self.close(open.span, ")")?;
        inner.span = open.span.join(close.span);
        Ok(inner)
    }

    fn array(&mut self) -> Parsed<Expression> {
        let open = self.advance()?;
        let (elements, close) = self.list(open.span, "]", Self::expression)?;
        self.node(Form::Array(elements), open.span.join(close))
    }

    fn object(&mut self) -> Parsed<Expression> {
        let open = self.advance()?;
        let (members, close) = self.list(open.span, "}", |parser| {
            let Token::String(text) = parser.ahead.token.clone() else {
                return Err(parser
                    .unexpected("a quoted key")
                    .with_hint("keys are strings: `{'unit': unit}`"));
            };
            let key = parser.advance()?;
            parser.expect_sign(":")?;
            Ok((Name { text, span: key.span }, parser.expression()?))
        })?;
        self.node(Form::Object(members), open.span.join(close))
    }

    fn call(&mut self, name: Span) -> Parsed<Expression> {
        let open = self.advance()?;
        let (arguments, close) = self.list(open.span, ")", Self::expression)?;
        let function = Name { text: self.slice(name).to_owned(), span: name };
        self.node(Form::Call(function, arguments), name.join(close))
    }

    /// Items between commas up to the sign `close`, which is taken; with its place.
    fn list<T>(
        &mut self,
        open: Span,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, Span)> {
        let mut items = Vec::new();
        if self.at_sign(close).is_none() {
            items.push(item(self)?);
            while self.take_sign(",")? {
                items.push(item(self)?);
            }
        }
        if self.at_sign(close).is_none() {
            return Err(self.not_closed(open, &format!("`,` or `{close}`")));
        }
        Ok((items, self.advance()?.span))
    }

    fn cast(&mut self, start: Span) -> Parsed<Expression> {
        self.advance()?;
        let value = self.expression()?;
        self.expect_keyword("AS")?;
        let Some(name) = self.word() else { return Err(self.unexpected("a type")) };
        let known = CastTarget::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, target)) = known else {
            let diagnostic = self.fault(self.ahead.span, format!("unknown type `{name}`"));
            return Err(match nearest(name, CastTarget::NAMES.iter().map(|(name, _)| *name)) {
                Some(name) => diagnostic.with_hint(format!("did you mean `{name}`?")),
                None => diagnostic.with_hint("types are String, Int, Decimal, Double and Boolean"),
            });
        };
        self.advance()?;
        let close = self.expect_sign(")")?;
        self.node(Form::Cast(Box::new(value), *target), start.join(close.span))
    }

    fn case(&mut self) -> Parsed<Expression> {
        let start = self.advance()?.span;
        let subject = if self.at_keyword("WHEN") { self.searched_case(start) } else { self.expression()? };
        let mut branches = Vec::new();
        while branches.is_empty() || self.at_keyword("WHEN") {
            self.expect_keyword("WHEN")?;
            let wanted = self.expression()?;
            self.expect_keyword("THEN")?;
            branches.push((wanted, self.expression()?));
        }
        let otherwise = if self.take_keyword("ELSE")? { Some(self.expression()?) } else { None };
        let end = self.expect_keyword("END").map_err(|mistake| {
            let Position { line, column } = Position::of(self.text, start.start);
            let hint = format!("the CASE at line {line}, column {column} ends with `END`");
            if mistake.hint.is_some() { mistake } else { mistake.with_hint(hint) }
        })?;
        self.node(Form::Case(Box::new(Case { subject, branches, otherwise })), start.join(end.span))
    }

    fn exists(&mut self) -> Parsed<Expression> {
        let start = self.advance()?.span;
        self.expect_sign("(")?;
        if !self.at_keyword("SELECT") {
            return Err(self
                .unexpected("`SELECT`")
                .with_hint("whether a field is there: `NOT isUndefined(field)`"));
        }
        let query = self.query()?;
        let close = self.expect_sign(")")?;
        let span = start.join(close.span);
        let depth = query_depth(&query);
        self.sized(Form::Exists(Box::new(query)), span, depth)
    }

    fn query_node(&mut self, query: Query) -> Parsed<Expression> {
        let (span, depth) = (query.span, query_depth(&query));
        self.sized(Form::Query(Box::new(query)), span, depth)
    }

    /// A node that is one deeper than its deepest child.
    pub(super) fn node(&self, form: Form, span: Span) -> Parsed<Expression> {
        let depth = form_depth(&form);
        self.sized(form, span, depth)
    }

    fn sized(&self, form: Form, span: Span, depth: usize) -> Parsed<Expression> {
        if depth >= CHAIN_MAX {
            return Err(
                self.fault(span, format!("expression has a chain of more than {CHAIN_MAX} operators"))
            );
        }
        Ok(Expression { form, span, depth: depth + 1 })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Infix {
    Binary(Operator),
    In,
    NotIn,
    /// An operator of another dialect.
    Foreign,
}

fn form_depth(form: &Form) -> usize {
    let deepest = |expressions: &mut dyn Iterator<Item = &Expression>| {
        expressions.map(|item| item.depth).max().unwrap_or(0)
    };
    match form {
        Form::Member(inner, _) | Form::Not(inner) | Form::Negate(inner) | Form::Cast(inner, _) => inner.depth,
        Form::Binary(_, left, right) | Form::In(left, right) => left.depth.max(right.depth),
        Form::Call(_, items) | Form::Array(items) => deepest(&mut items.iter()),
        Form::Object(members) => deepest(&mut members.iter().map(|(_, value)| value)),
        Form::Case(case) => {
            let branches = case.branches.iter().flat_map(|(wanted, result)| [wanted, result]);
            deepest(&mut branches.chain([&case.subject]).chain(&case.otherwise))
        }
        Form::Query(query) | Form::Exists(query) => query_depth(query),
        Form::Null | Form::Boolean(_) | Form::Number(_) | Form::String(_) => 0,
        Form::Field(_) | Form::Star | Form::Variable(_) => 0,
    }
}

fn query_depth(query: &Query) -> usize {
    let body = match &query.body {
        super::Body::Value(value) => value.depth,
        super::Body::Items(items) => items.iter().map(|item| item.expression.depth).max().unwrap_or(0),
    };
    let condition = query.condition.as_ref().map_or(0, |condition| condition.depth);
    body.max(condition).max(query.source.depth)
}

/// The words in backquotes of an expectation, in upper case: what a misspelt keyword may have been meant to be.
fn expected_words(expected: &str) -> impl Iterator<Item = &str> {
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.chars().all(|letter| letter.is_ascii_uppercase()))
}
