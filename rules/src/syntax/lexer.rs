//! Words, numbers, strings and signs of a statement, with their places.

use crate::diagnostic::{Diagnostic, Span};
use crate::number::Number;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or name; keywords are told apart by the parser because their case is free.
    Word,
    Number(Number),
    String(String),
    /// `@name`
    Variable,
    /// A sign such as `<=`.
    Sign(&'static str),
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Span,
}

/// Signs, the longer before those they start with.
const SIGNS: &[&str] =
    &["<>", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{", "}", ",", ".", ":"];

/// Signs of other languages and what this one has instead.
const FOREIGN_SIGNS: &[(&str, &str)] = &[
    ("!=", "write `<>`"),
    ("==", "write `=`"),
    ("&&", "write `AND`"),
    ("||", "write `OR`; texts are joined with `+`"),
    ("!", "write `NOT`"),
    ("/*", "AWS IoT SQL has no comments; use the `description` of the rule"),
    ("--", "AWS IoT SQL has no comments; use the `description` of the rule"),
    (";", "a rule holds one statement, without `;`"),
    (
        "`",
        "names are written without quotes; a name with other characters is reached with `get(*, 'my-key')`",
    ),
    ("#", "a topic filter is written in quotes: `FROM 'plant/#'`"),
    ("$", "`${…}` is for the texts of actions, not for statements"),
];

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    pub(super) fn next(&mut self) -> Result<Lexeme, Diagnostic> {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
        match rest.chars().next() {
            None => Ok(self.take(0, Token::End)),
            Some(first) if is_word_start(first) => Ok(self.take(word_length(rest), Token::Word)),
            Some('0'..='9') => self.number(rest),
            Some(quote @ ('\'' | '"')) => self.string(rest, quote),
            Some('@') => self.variable(rest),
            Some(first) => self.sign(rest, first),
        }
    }

    fn take(&mut self, length: usize, token: Token) -> Lexeme {
        let start = self.at;
        self.at += length;
        Lexeme { token, span: Span::new(start, self.at) }
    }

    fn fault(&self, length: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.text, Span::new(self.at, self.at + length), message)
    }

    fn number(&mut self, rest: &str) -> Result<Lexeme, Diagnostic> {
        let length = number_length(rest);
        let written = &rest[..length];
        if rest[length..].chars().next().is_some_and(is_word_start) {
            let whole = length + word_length(&rest[length..]);
            let message = format!("`{}` is neither a number nor a name", &rest[..whole]);
            return Err(self
                .fault(whole, message)
                .with_hint("a key that starts with a digit is reached with `get(*, '…')`"));
        }
        match Number::read(written) {
            Some(reading) if reading.exact => Ok(self.take(length, Token::Number(reading.number))),
            _ => Err(self
                .fault(length, format!("number `{written}` is out of range"))
                .with_hint("numbers have at most 34 digits and an exponent within ±999")),
        }
    }

    /// A string ends at its quote; a doubled quote stands for one.
    fn string(&mut self, rest: &str, quote: char) -> Result<Lexeme, Diagnostic> {
        let mut text = String::new();
        let mut inside = &rest[1..];
        loop {
            let Some(end) = inside.find(quote) else {
                let line_length = rest.find('\n').unwrap_or(rest.len());
                return Err(self
                    .fault(line_length, "string is not closed")
                    .with_hint(format!("put `{quote}` at its end; inside a string write it twice")));
            };
            text.push_str(&inside[..end]);
            inside = &inside[end + 1..];
            if !inside.starts_with(quote) {
                break;
            }
            text.push(quote);
            inside = &inside[1..];
        }
        Ok(self.take(rest.len() - inside.len(), Token::String(text)))
    }

    fn variable(&mut self, rest: &str) -> Result<Lexeme, Diagnostic> {
        let length = word_length(&rest[1..]);
        match length {
            0 => {
                Err(self.fault(1, "`@` is not followed by a name").with_hint("variables look like `@limit`"))
            }
            1..=64 => Ok(self.take(length + 1, Token::Variable)),
            _ => Err(self.fault(length + 1, "variable name is longer than 64 characters")),
        }
    }

    fn sign(&mut self, rest: &str, first: char) -> Result<Lexeme, Diagnostic> {
        let foreign = FOREIGN_SIGNS.iter().find(|(sign, _)| rest.starts_with(sign) && !is_double_minus(rest));
        if let Some((sign, hint)) = foreign {
            return Err(self
                .fault(sign.len(), format!("`{sign}` is not part of AWS IoT SQL"))
                .with_hint(*hint));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            return Ok(self.take(sign.len(), Token::Sign(sign)));
        }
        let shown = first.escape_debug();
        let diagnostic = self.fault(first.len_utf8(), format!("unexpected character `{shown}`"));
        Err(match first {
            '‘' | '’' | '“' | '”' => diagnostic.with_hint("use straight quotes: `'` or `\"`"),
            _ => diagnostic,
        })
    }
}

/// `a--1` subtracts a negative number; `-- text` is meant as a comment.
fn is_double_minus(rest: &str) -> bool {
    rest.strip_prefix("--")
        .is_some_and(|after| after.starts_with(|next: char| next.is_alphanumeric() || "_(@-".contains(next)))
}

fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len())
}

fn number_length(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    if text[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['-', '+']));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}
