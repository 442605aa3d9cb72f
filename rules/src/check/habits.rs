//! What is allowed but probably not meant by those who come from another language, and what its functions are called here.

use super::Check;
use crate::diagnostic::Span;
use crate::syntax::{Expression, Form, Operator};

/// Functions of other languages, in capital letters, and what to write.
const FOREIGN_FUNCTIONS: &[(&str, &str)] = &[
    ("ARRAY_LENGTH", "there is no length of arrays; `get(array, n)` reaches an element"),
    ("CEILING", "write `ceil(x)`"),
    ("CHARINDEX", "write `indexof(text, part)`, which counts from 0"),
    ("CHAR_LENGTH", "write `length(text)`"),
    ("COALESCE", "write `get_or_default(a, b)`"),
    ("CONTAINS", "write `indexof(text, part) >= 0`, for an array `x IN array`"),
    ("CONVERT", "write `cast(x AS Int)`"),
    ("CURRENT_TIMESTAMP", "write `timestamp()`, milliseconds since 1970"),
    ("DATE_FORMAT", "write `parse_time('yyyy-MM-dd', milliseconds)`"),
    ("GETDATE", "write `timestamp()`, milliseconds since 1970"),
    ("IF", "write `CASE condition WHEN true THEN a ELSE b END`"),
    ("IFNULL", "write `get_or_default(a, b)`"),
    ("IIF", "write `CASE condition WHEN true THEN a ELSE b END`"),
    ("INSTR", "write `indexof(text, part)`, which counts from 0"),
    ("ISNAN", "write `isUndefined(x)`: what is no number is Undefined"),
    ("JSON_EXTRACT", "members are reached with a dot: `position.x`"),
    ("JSON_VALUE", "members are reached with a dot: `position.x`"),
    ("LCASE", "write `lower(text)`"),
    ("LEN", "write `length(text)`"),
    ("LOCATE", "write `indexof(text, part)`, which counts from 0"),
    ("NOW", "write `timestamp()`, milliseconds since 1970"),
    ("NVL", "write `get_or_default(a, b)`"),
    ("PARSEFLOAT", "write `cast(x AS Decimal)`"),
    ("PARSEINT", "write `cast(x AS Int)`"),
    ("POSITION", "write `indexof(text, part)`, which counts from 0"),
    ("POW", "write `power(a, b)`"),
    ("RANDOM", "write `rand()`"),
    ("SUBSTR", "write `substring(text, start, end)`, which counts from 0"),
    ("TO_CHAR", "write `cast(x AS String)`"),
    ("TO_NUMBER", "write `cast(x AS Decimal)`"),
    ("TO_STRING", "write `cast(x AS String)`"),
    ("TRY_CAST", "write `cast(x AS Int)`, which is Undefined for what can't be converted"),
    ("UCASE", "write `upper(text)`"),
    ("UUID", "write `newuuid()`"),
];

/// What a function of another language is called here.
pub(super) fn foreign_function(name: &str) -> Option<&'static str> {
    FOREIGN_FUNCTIONS.iter().find(|(foreign, _)| name.eq_ignore_ascii_case(foreign)).map(|(_, hint)| *hint)
}

/// Functions whose result is always a String, a number or a Boolean, or Undefined.
const RESULTS: &[(Result, &[&str])] = &[
    (
        Result::Text,
        &[
            "upper",
            "lower",
            "trim",
            "ltrim",
            "rtrim",
            "lpad",
            "rpad",
            "chr",
            "replace",
            "substring",
            "regexp_replace",
            "regexp_substr",
            "encode",
            "clientid",
            "accountid",
            "sourceip",
            "principal",
            "traceid",
            "newuuid",
            "sql_version",
            "parse_time",
            "topic",
            "md2",
            "md5",
            "sha1",
            "sha224",
            "sha256",
            "sha384",
            "sha512",
        ],
    ),
    (
        Result::Number,
        &[
            "abs",
            "acos",
            "asin",
            "atan",
            "atan2",
            "bitand",
            "bitor",
            "bitxor",
            "bitnot",
            "ceil",
            "cos",
            "cosh",
            "exp",
            "floor",
            "indexof",
            "length",
            "ln",
            "log",
            "mod",
            "numbytes",
            "power",
            "rand",
            "remainder",
            "round",
            "sign",
            "sin",
            "sinh",
            "sqrt",
            "tan",
            "tanh",
            "time_to_epoch",
            "timestamp",
            "trunc",
        ],
    ),
    (Result::Boolean, &["isNull", "isUndefined", "startswith", "endswith", "regexp_matches"]),
];

/// What an expression can only be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Result {
    Text,
    Number,
    Boolean,
}

impl Result {
    fn of(expression: &Expression) -> Option<Self> {
        match &expression.form {
            Form::String(_) => Some(Self::Text),
            Form::Number(_) => Some(Self::Number),
            Form::Boolean(_) => Some(Self::Boolean),
            Form::Call(name, _) => {
                let is_named =
                    |names: &&[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(&name.text));
                RESULTS.iter().find(|(_, names)| is_named(names)).map(|(result, _)| *result)
            }
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "a String",
            Self::Number => "a number",
            Self::Boolean => "a Boolean",
        }
    }
}

impl<'t> Check<'t> {
    fn piece_of_text(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or("x")
    }

    /// Warns of operations whose result is known beforehand, or that are the habit of another language.
    pub(super) fn habits(
        &mut self,
        operator: Operator,
        whole: &Expression,
        left: &Expression,
        right: &Expression,
    ) {
        match operator {
            Operator::Subtract => self.hyphen(whole, left, right),
            Operator::Equal | Operator::NotEqual => {
                let is_told = self.nothing(operator, left, right);
                self.different_types(operator, whole, left, right, is_told);
            }
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                self.no_order(whole, left, right);
            }
            _ => {}
        }
    }

    /// `device-id`, which subtracts.
    fn hyphen(&mut self, whole: &Expression, left: &Expression, right: &Expression) {
        let is_path = matches!(left.form, Form::Field(_) | Form::Member(..));
        let Form::Field(second) = &right.form else { return };
        let between = self.text.get(left.span.end..right.span.start);
        if !is_path || between != Some("-") {
            return;
        }
        let (object, first) = match &left.form {
            Form::Member(inner, name) => (self.piece_of_text(inner.span), name.text.as_str()),
            _ => ("*", self.piece_of_text(left.span)),
        };
        let written = self.piece_of_text(whole.span);
        let message = format!("`{written}` subtracts `{second}` from `{first}`");
        let hint = format!(
            "a key with a hyphen is reached with `get({object}, '{first}-{second}')`; to subtract put spaces around `-`"
        );
        self.warn(whole.span, message, &hint);
    }

    /// `x = null` and `x = undefined`; whether it is one of them.
    fn nothing(&mut self, operator: Operator, left: &Expression, right: &Expression) -> bool {
        let not = if operator == Operator::NotEqual { "NOT " } else { "" };
        for (nothing, other) in [(right, left), (left, right)] {
            let told = self.piece_of_text(other.span).to_owned();
            match &nothing.form {
                Form::Null if !matches!(other.form, Form::Null) => {
                    let message = format!("a comparison with null is Undefined when `{told}` is not there");
                    let hint = format!("write `{not}isNull({told})`, or `{not}isUndefined({told})`");
                    self.warn(nothing.span, message, &hint);
                    return true;
                }
                Form::Field(name) if name.eq_ignore_ascii_case("undefined") => {
                    let hint = format!("write `{not}isUndefined({told})`");
                    self.warn(nothing.span, format!("`{name}` is a field of that name"), &hint);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn different_types(
        &mut self,
        operator: Operator,
        whole: &Expression,
        left: &Expression,
        right: &Expression,
        is_told: bool,
    ) {
        let has_call = [left, right].iter().any(|side| matches!(side.form, Form::Call(..)));
        if let (true, Some(a), Some(b)) = (has_call && !is_told, Result::of(left), Result::of(right))
            && a != b
        {
            let never = operator == Operator::NotEqual;
            let message = format!("this is never {}: {} is compared with {}", !never, a.name(), b.name());
            self.warn(whole.span, message, "convert one side with `cast(x AS Int)` or `cast(x AS String)`");
        }
    }

    fn no_order(&mut self, whole: &Expression, left: &Expression, right: &Expression) {
        for side in [left, right] {
            let hint = match &side.form {
                Form::String(text) if crate::number::Number::parse_sql(text).is_none() => {
                    "only numbers, and Strings that are numbers, have an order"
                }
                _ if Result::of(side) == Some(Result::Boolean) => {
                    "only numbers have an order; compare with `=`"
                }
                _ => continue,
            };
            self.warn(whole.span, "this is always Undefined", hint);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions;

    #[test]
    fn what_is_foreign_is_not_ours_and_what_is_ours_exists() {
        for (name, _) in FOREIGN_FUNCTIONS {
            assert!(functions::find(name).is_none(), "{name}");
        }
        for name in RESULTS.iter().flat_map(|(_, names)| *names) {
            assert!(functions::find(name).is_some_and(|function| function.name == *name), "{name}");
        }
    }
}
