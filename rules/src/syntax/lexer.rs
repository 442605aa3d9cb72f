//! Words, numbers, strings and signs of a statement, with their places.

use super::foreign;
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

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// What is wrong but could be read all the same, so that one look finds more than one mistake.
    mistakes: Vec<Diagnostic>,
}

/// The most mistakes that are told of one text.
const MISTAKES_MAX: usize = 20;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Self { text, at, mistakes: Vec::new() }
    }

    /// Remembers a mistake after which reading can go on.
    pub(super) fn report(&mut self, mistake: Diagnostic) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(mistake);
        }
    }

    pub(super) fn mistakes(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.mistakes)
    }

    /// Where the next lexeme is looked for.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on at byte `at`.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn next(&mut self) -> Result<Lexeme, Diagnostic> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            None => Ok(self.take(0, Token::End)),
            Some(first) if is_word_start(first) => Ok(self.take(word_length(rest), Token::Word)),
            Some('0'..='9') => self.number(rest),
            Some(quote @ ('\'' | '"')) => self.string(rest, quote),
            Some('@') => self.variable(rest),
            Some('`') => self.backticks(rest),
            Some(quote) if foreign::closing_quotes(quote).is_some() => self.typographic(rest, quote),
            Some(first) => self.sign(rest, first),
        }
    }

    /// Skips white space and, as mistakes, what other languages and word processors put between words.
    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            self.at += rest.len() - trimmed.len();
            let blank = trimmed.chars().next().filter(|next| foreign::is_foreign_blank(*next));
            let mistake = match (foreign::comment_length(trimmed), blank) {
                (Some(length), _) => self.fault(length, "AWS IoT SQL has no comments").with_hint(
                    "use the `description` of the rule, or a comment of the file outside of the statement",
                ),
                (None, Some(blank)) => {
                    let message = format!("white space of another kind (U+{:04X})", u32::from(blank));
                    self.fault(blank.len_utf8(), message).with_hint("replace it by an ordinary space")
                }
                (None, None) => return,
            };
            self.at = mistake.span.end;
            self.report(mistake);
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
        let after = &rest[length..];
        if after.starts_with('.') && !after[1..].starts_with(is_word_start) {
            let hint = format!("write `{written}` or `{written}.0`");
            self.report(self.fault(length + 1, "a number ends with a digit").with_hint(hint));
            let number = Number::read(written).filter(|reading| reading.exact).map(|reading| reading.number);
            return Ok(self.take(length + 1, Token::Number(number.unwrap_or_else(|| Number::from(0)))));
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
                let line = rest.lines().next().unwrap_or(rest);
                let hint = match foreign::probable_end(line) {
                    Some(end) => {
                        format!("put `{quote}` after `{}`; inside a string write it twice", &line[1..end])
                    }
                    None => format!("put `{quote}` at its end; inside a string write it twice"),
                };
                return Err(self.fault(line.len(), "string is not closed").with_hint(hint));
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

    /// A name as MySQL quotes it.
    fn backticks(&mut self, rest: &str) -> Result<Lexeme, Diagnostic> {
        let Some(inside) = rest[1..].find('`').map(|end| &rest[1..=end]) else {
            return Err(self
                .fault(1, "backticks are not part of AWS IoT SQL")
                .with_hint(foreign::NAMES_HINT));
        };
        let hint = if word_length(inside) == inside.len() && inside.starts_with(is_word_start) {
            format!("names are written without quotes: `{inside}`")
        } else if inside.contains('/') {
            format!("a topic filter is written in quotes: `'{inside}'`")
        } else {
            format!("a name with other characters is reached with `get(*, '{inside}')`")
        };
        let length = inside.len() + 2;
        self.report(self.fault(length, "backticks are not part of AWS IoT SQL").with_hint(hint));
        let mut lexeme = self.take(length, Token::Word);
        if inside.contains('/') {
            lexeme.token = Token::String(inside.to_owned());
        } else {
            lexeme.span = Span::new(lexeme.span.start + 1, lexeme.span.end - 1);
        }
        Ok(lexeme)
    }

    /// A string in the quotes of a word processor.
    fn typographic(&mut self, rest: &str, quote: char) -> Result<Lexeme, Diagnostic> {
        let after = &rest[quote.len_utf8()..];
        let closing = foreign::closing_quotes(quote).unwrap_or_default();
        let found = after.char_indices().find(|(_, character)| closing.contains(*character));
        let Some((end, close)) = found else {
            return Err(self
                .fault(quote.len_utf8(), format!("typographic quote `{quote}`"))
                .with_hint("use straight quotes: `'` or `\"`"));
        };
        let inside = &after[..end];
        let length = quote.len_utf8() + end + close.len_utf8();
        let hint = format!("use straight quotes: `'{inside}'`");
        self.report(self.fault(length, format!("typographic quote `{quote}`")).with_hint(hint));
        Ok(self.take(length, Token::String(inside.to_owned())))
    }

    fn sign(&mut self, rest: &str, first: char) -> Result<Lexeme, Diagnostic> {
        if let Some(foreign) = foreign::sign(rest) {
            let length = foreign.written.len();
            let message = format!("`{}` is not part of AWS IoT SQL", foreign.written);
            let mistake = self.fault(length, message).with_hint(foreign.hint);
            let Some(meant) = foreign.meant else {
                self.at += length;
                return Err(mistake);
            };
            self.report(mistake);
            return Ok(self.take(length, Token::Sign(meant)));
        }
        if rest.starts_with(';') {
            return Ok(self.semicolon(rest));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            return Ok(self.take(sign.len(), Token::Sign(sign)));
        }
        let mistake =
            self.fault(first.len_utf8(), format!("unexpected character `{}`", first.escape_debug()));
        self.at += first.len_utf8();
        Err(mistake)
    }

    /// Ends the statement. Another one behind it isn't read.
    fn semicolon(&mut self, rest: &str) -> Lexeme {
        let hint = match rest[1..].trim().is_empty() {
            true => "remove it: a rule holds one statement, without `;`",
            false => "a rule holds one statement: make another rule for the next one",
        };
        self.report(self.fault(1, "`;` is not part of AWS IoT SQL").with_hint(hint));
        let lexeme = self.take(0, Token::End);
        self.at = self.text.len();
        lexeme
    }
}

pub(super) fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

pub(super) fn word_length(text: &str) -> usize {
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
