//! What people write who come from another language: SQL-92, MySQL, KSQL, Stream Analytics, JavaScript. Refused with what
//! to write instead, and read as what was meant, so that the rest of the text is looked at, too.

use super::lexer::Token;
use super::parser::{Parsed, Parser};
use super::tree::{Expression, Form, Operator, strength};
use crate::diagnostic::Span;

/// How any name is written.
pub(super) const NAMES_HINT: &str =
    "names are written without quotes; a name with other characters is reached with `get(*, 'my-key')`";

/// A sign of another language.
pub(super) struct ForeignSign {
    pub(super) written: &'static str,
    pub(super) hint: &'static str,
    /// The sign or keyword here, if there is one that reading can go on with.
    pub(super) meant: Option<&'static str>,
}

const fn sign_for(written: &'static str, meant: &'static str, hint: &'static str) -> ForeignSign {
    ForeignSign { written, hint, meant: Some(meant) }
}

const fn sign_without(written: &'static str, hint: &'static str) -> ForeignSign {
    ForeignSign { written, hint, meant: None }
}

/// The longer before those they start with.
const SIGNS: &[ForeignSign] = &[
    sign_for("!==", "<>", "write `<>`"),
    sign_for("===", "=", "write `=`"),
    sign_for("<=>", "=", "write `=`; whether something is Null or missing: `isNull(x)`, `isUndefined(x)`"),
    sign_for("!=", "<>", "write `<>`"),
    sign_for("==", "=", "write `=`"),
    sign_for("&&", "AND", "write `AND`"),
    sign_for("||", "OR", "write `OR`; texts are joined with `+`"),
    sign_for("->>", ".", "members are reached with a dot: `position.x`"),
    sign_for("->", ".", "members are reached with a dot: `position.x`"),
    sign_for("?.", ".", "write `.`: the member of something that is missing is Undefined"),
    sign_without("??", "write `get_or_default(x, 0)`"),
    sign_without("::", "write `cast(x AS Int)`"),
    sign_without("**", "write `power(x, 2)`"),
    sign_without("<<", "there is no shift; multiply by `power(2, n)`"),
    sign_without(">>", "there is no shift; write `floor(x / power(2, n))`"),
    sign_for("!", "NOT", "write `NOT`"),
    sign_without("&", "write `bitand(a, b)`"),
    sign_without("|", "write `bitor(a, b)`"),
    sign_without("^", "write `power(x, 2)`, or `bitxor(a, b)` for bits"),
    sign_without("~", "write `bitnot(x)`; for patterns `regexp_matches(text, 'pattern')`"),
    sign_without("?", "write `CASE on WHEN true THEN 1 ELSE 0 END`"),
    sign_without("#", "a topic filter is written in quotes: `FROM 'plant/#'`; there are no comments"),
    sign_without("$", "a topic is written in quotes: `FROM '$aws/…'`; `${…}` is for the texts of actions"),
];

/// The foreign sign that `rest` starts with.
pub(super) fn sign(rest: &str) -> Option<&'static ForeignSign> {
    SIGNS.iter().find(|sign| rest.starts_with(sign.written))
}

/// Where a string whose quote is missing probably ends: before the next keyword of the line.
pub(super) fn probable_end(line: &str) -> Option<usize> {
    let upper = line.to_ascii_uppercase();
    let end =
        [" FROM ", " WHERE ", " AND ", " OR ", " AS "].iter().filter_map(|word| upper.find(word)).min()?;
    (end > 1).then_some(end)
}

/// How long the comment is that `rest` starts with. `a--1` is none: it subtracts a negative number.
pub(super) fn comment_length(rest: &str) -> Option<usize> {
    let line = || rest.find('\n').map_or(rest, |end| &rest[..end]).trim_end().len();
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with("//") {
        return Some(line());
    }
    let after = rest.strip_prefix("--")?;
    let is_operand = after.starts_with(|next: char| next.is_alphanumeric() || "_(@-'\"".contains(next));
    (!is_operand).then(line)
}

/// White space that isn't among the four characters of SQL: no-break spaces, those of typography, invisible ones.
pub(super) fn is_foreign_blank(character: char) -> bool {
    let is_invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
    let is_ours = matches!(character, ' ' | '\t' | '\r' | '\n');
    is_invisible || (character.is_whitespace() && !is_ours)
}

/// What may close a string that a typographic quote opens.
pub(super) fn closing_quotes(opening: char) -> Option<&'static str> {
    match opening {
        '‘' | '’' | '‚' | '‛' => Some("’‘'"),
        '“' | '”' | '„' | '‟' => Some("”“\""),
        '«' => Some("»"),
        _ => None,
    }
}

/// Words that begin what other dialects have at the end of a statement or between its parts.
const CLAUSES: &[(&str, &str)] = &[
    ("GROUP", "GROUP BY, with a window, stands after FROM and WHERE of the whole statement"),
    ("ORDER", "a rule sees one message at a time; there is no ORDER BY"),
    ("HAVING", "HAVING stands after GROUP BY; a condition for each message stands after WHERE"),
    ("TIMESTAMP", "TIMESTAMP BY stands between FROM and WHERE"),
    ("LIMIT", "a rule sees one message at a time; there is no LIMIT"),
    ("OFFSET", "a rule sees one message at a time; there is no OFFSET"),
    ("JOIN", "a rule sees one message at a time; there is no JOIN"),
    ("INNER", "a rule sees one message at a time; there is no JOIN"),
    ("LEFT", "a rule sees one message at a time; there is no JOIN"),
    ("RIGHT", "a rule sees one message at a time; there is no JOIN"),
    ("FULL", "a rule sees one message at a time; there is no JOIN"),
    ("CROSS", "a rule sees one message at a time; there is no JOIN"),
    ("UNION", "use one rule for each statement"),
    ("EMIT", "the result of every message is emitted at once; leave this out"),
    ("PARTITION", "the key of a partition belongs to the action: `partition_key = \"${deviceId}\"`"),
    ("INTO", "where a result goes is said by the actions of the rule"),
    ("WITH", "there are no common table expressions; `SET @name = …` before SELECT defines a variable"),
    ("LIKE", "use `startswith`, `endswith`, `indexof` or `regexp_matches`"),
    ("BETWEEN", "use `x >= low AND x <= high`"),
    ("IS", "use `isNull(x)` or `isUndefined(x)`"),
];

/// Whether what follows a word shows that it is meant as a name.
pub(super) fn is_named(after: &str) -> bool {
    let after = after.trim_start();
    let word = after.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
    after.is_empty()
        || after.starts_with([',', ')', '='])
        || ["FROM", "AS"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// What to write instead of a reserved word that stands where an expression should.
pub(super) fn reserved_hint(word: &str, before: &str, after: &str) -> String {
    let is_clause = match word.to_ascii_uppercase().as_str() {
        "FROM" => after.trim_start().starts_with(['\'', '"']),
        "WHERE" | "AND" | "OR" => true,
        _ => false,
    };
    if is_clause && before.trim_end().ends_with(',') {
        return "remove the comma before it, or write what belongs behind the comma".to_owned();
    }
    if is_clause {
        return format!("something is missing before `{word}`");
    }
    format!("`{word}` is a reserved word; a field of that name is reached with `get(*, '{word}')`")
}

/// What to write instead of a word of another dialect.
pub(super) fn word_hint(word: &str) -> Option<&'static str> {
    CLAUSES.iter().find(|(foreign, _)| word.eq_ignore_ascii_case(foreign)).map(|(_, hint)| *hint)
}

/// Operators that are words in other dialects, with the strength of a comparison.
const OPERATORS: &[&str] = &[
    "LIKE", "ILIKE", "RLIKE", "REGEXP", "MATCHES", "SIMILAR", "GLOB", "CONTAINS", "BETWEEN", "IS", "XOR",
    "MOD", "DIV",
];

/// How tightly [`OPERATORS`] bind.
pub(super) const STRENGTH: u8 = strength::COMPARISON;

/// The most characters of an operand that a hint repeats.
const REPEATED_CHARACTERS_MAX: usize = 60;

impl Parser<'_> {
    /// Whether a foreign operator is next, maybe behind NOT.
    pub(super) fn at_foreign_operator(&self) -> bool {
        self.word().is_some_and(|word| OPERATORS.iter().any(|operator| word.eq_ignore_ascii_case(operator)))
    }

    /// Reads `left LIKE …` and its siblings: a mistake whose hint says the same in this language. `start` is where the
    /// operator begins, with its NOT.
    pub(super) fn foreign_operation(
        &mut self,
        left: Expression,
        start: Span,
        is_negated: bool,
    ) -> Parsed<Expression> {
        let operator = self.advance()?;
        let word = self.slice(operator.span).to_ascii_uppercase();
        let told = self.repeated(left.span);
        let not = if is_negated { "NOT " } else { "" };
        let (right, hint) = match word.as_str() {
            "IS" => return self.foreign_is(left, start, &told),
            "BETWEEN" => return self.foreign_between(left, start, &told, is_negated),
            "XOR" => (self.climb(STRENGTH + 1)?, format!("for Booleans write `{told} <> …`")),
            "MOD" => (self.climb(STRENGTH + 1)?, format!("write `{told} % …` or `mod({told}, …)`")),
            "DIV" => (self.climb(STRENGTH + 1)?, format!("write `trunc({told} / …, 0)`")),
            "CONTAINS" => {
                let right = self.climb(STRENGTH + 1)?;
                let part = self.repeated(right.span);
                (right, format!("write `{not}indexof({told}, {part}) >= 0`, for an array `{part} IN {told}`"))
            }
            like => {
                self.take_keyword("TO")?;
                let right = self.climb(STRENGTH + 1)?;
                let hint = match &right.form {
                    Form::String(pattern) if like == "ILIKE" => {
                        format!(
                            "write `{not}{}`",
                            like_call(&format!("lower({told})"), &pattern.to_lowercase())
                        )
                    }
                    Form::String(pattern) if matches!(like, "LIKE" | "SIMILAR") => {
                        format!("write `{not}{}`", like_call(&told, pattern))
                    }
                    _ => format!("write `{not}regexp_matches({told}, {})`", self.repeated(right.span)),
                };
                (right, hint)
            }
        };
        self.mistake(start.join(operator.span), &word, is_negated, hint);
        let span = left.span.join(right.span);
        self.node(Form::Binary(Operator::Equal, Box::new(left), Box::new(right)), span)
    }

    /// `x IS [NOT] NULL` and what else may stand there.
    fn foreign_is(&mut self, left: Expression, start: Span, told: &str) -> Parsed<Expression> {
        let is_negated = self.take_keyword("NOT")?;
        let asked = self.advance()?;
        let not = if is_negated { "NOT " } else { "" };
        let hint = match self.slice(asked.span).to_ascii_uppercase().as_str() {
            "NULL" => format!(
                "write `{not}isNull({told})`, or `{not}isUndefined({told})` for a field that is not there"
            ),
            "MISSING" | "UNDEFINED" => format!("write `{not}isUndefined({told})`"),
            "DEFINED" => format!("write `{}isUndefined({told})`", if is_negated { "" } else { "NOT " }),
            boolean @ ("TRUE" | "FALSE") => {
                let sign = if is_negated { "<>" } else { "=" };
                format!("write `{told} {sign} {}`", boolean.to_ascii_lowercase())
            }
            _ => "use `isNull(x)` or `isUndefined(x)`".to_owned(),
        };
        let span = start.join(asked.span);
        self.mistake(span, self.slice(span), false, hint);
        let span = left.span.join(span);
        self.node(Form::Not(Box::new(left)), span)
    }

    fn foreign_between(
        &mut self,
        left: Expression,
        start: Span,
        told: &str,
        is_negated: bool,
    ) -> Parsed<Expression> {
        let low = self.climb(STRENGTH + 1)?;
        self.expect_keyword("AND")?;
        let high = self.climb(STRENGTH + 1)?;
        let (from, to) = (self.repeated(low.span), self.repeated(high.span));
        let hint = match is_negated {
            false => format!("write `{told} >= {from} AND {told} <= {to}`"),
            true => format!("write `({told} < {from} OR {told} > {to})`"),
        };
        self.mistake(start.join(high.span), "BETWEEN", is_negated, hint);
        let span = left.span.join(high.span);
        let range = self.node(Form::Binary(Operator::And, Box::new(low), Box::new(high)), span)?;
        self.node(Form::Binary(Operator::Equal, Box::new(left), Box::new(range)), span)
    }

    fn mistake(&mut self, span: Span, operator: &str, is_negated: bool, hint: String) {
        let not = if is_negated { "NOT " } else { "" };
        self.report(
            self.fault(span, format!("`{not}{operator}` is not part of AWS IoT SQL")).with_hint(hint),
        );
    }

    /// An operand as it is written, for a hint; `x` for one that is too long to repeat.
    pub(super) fn repeated(&self, span: Span) -> String {
        let written = self.slice(span);
        let fits = written.chars().count() <= REPEATED_CHARACTERS_MAX && !written.contains('\n');
        if fits { written.to_owned() } else { "x".to_owned() }
    }

    /// `a[0]` and `a['key']`, read as `get`.
    pub(super) fn brackets(&mut self, of: Expression) -> Parsed<Expression> {
        let open = self.advance()?;
        let index = self.nested(Self::expression)?;
        let close = self.expect_sign("]")?;
        let (told, key) = (self.repeated(of.span), self.repeated(index.span));
        let span = open.span.join(close.span);
        let hint = format!("write `get({told}, {key})`");
        self.report(self.fault(span, "`[…]` does not reach into arrays in AWS IoT SQL").with_hint(hint));
        let span = of.span.join(span);
        let name = super::tree::Name { text: "get".to_owned(), span };
        self.node(Form::Call(name, vec![of, index]), span)
    }

    /// `(1, 2)`, read as `[1, 2]`.
    pub(super) fn list_in_parentheses(&mut self, open: Span, first: Expression) -> Parsed<Expression> {
        let mut elements = vec![first];
        while self.take_sign(",")? {
            elements.push(self.expression()?);
        }
        let close = self.expect_sign(")")?;
        let span = open.join(close.span);
        let inside = self.repeated(Span::new(open.end, close.span.start));
        let hint = format!("write `[{inside}]`");
        self.report(self.fault(span, "a list stands in square brackets").with_hint(hint));
        self.node(Form::Array(elements), span)
    }

    /// `CASE WHEN condition THEN …`, read as `CASE true WHEN condition THEN …`.
    pub(super) fn searched_case(&mut self, case: Span) -> Expression {
        let span = case.join(self.ahead().span);
        let hint =
            "CASE compares one value: write `CASE true WHEN …`, which takes the first condition that is true";
        self.report(self.fault(span, "CASE without a value to compare").with_hint(hint));
        Expression::leaf(Form::Boolean(true), case)
    }

    /// `+5`, read as 5.
    pub(super) fn plus(&mut self) -> Parsed<Expression> {
        let sign = self.advance()?;
        let operand = self.nested(|parser| parser.climb(strength::NEGATE))?;
        let hint = format!("write `{}`", self.repeated(operand.span));
        let span = sign.span.join(operand.span);
        self.report(self.fault(span, "a number has no `+` before it").with_hint(hint));
        Ok(operand)
    }

    /// `.5`, read as a number.
    pub(super) fn leading_point(&mut self) -> Parsed<Expression> {
        let point = self.advance()?;
        let Token::Number(number) = self.ahead().token else {
            let mistake = self.fault(point.span, "expected an expression, found `.`");
            return Err(mistake.with_hint("a path starts with a name: `position.x`"));
        };
        let digits = self.advance()?;
        let span = point.span.join(digits.span);
        let hint = format!("write `0{}`", self.slice(span));
        self.report(self.fault(span, "a number starts with a digit").with_hint(hint));
        Ok(Expression::leaf(Form::Number(number), span))
    }
}

/// `text LIKE pattern` as a call: `%` is any text, `_` any character.
fn like_call(text: &str, pattern: &str) -> String {
    let quoted = |part: &str| format!("'{}'", part.replace('\'', "''"));
    let inner = pattern.trim_matches('%');
    let is_plain = !inner.contains(['%', '_']) && !inner.is_empty();
    match (pattern.starts_with('%'), pattern.ends_with('%')) {
        (false, false) if is_plain => format!("{text} = {}", quoted(inner)),
        (false, true) if is_plain => format!("startswith({text}, {})", quoted(inner)),
        (true, false) if is_plain => format!("endswith({text}, {})", quoted(inner)),
        (true, true) if is_plain => format!("indexof({text}, {}) >= 0", quoted(inner)),
        _ => {
            let mut expression = String::from("^");
            for character in pattern.chars() {
                match character {
                    '%' => expression.push_str(".*"),
                    '_' => expression.push('.'),
                    other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
                }
            }
            expression.push('$');
            format!("regexp_matches({text}, {})", quoted(&expression))
        }
    }
}
