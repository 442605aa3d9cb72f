//! Java's regular expressions in the syntax of the engines: what both write alike passes, what only Java has is
//! rewritten, and what neither engine can do is refused by name.
//!
//! Knows the text of patterns; must not know engines or values.

/// A pattern in the engines' syntax.
pub(super) struct Translated {
    pub(super) text: String,
    /// Whether it looks around, refers back or never gives back: then matching needs backtracking.
    pub(super) backtracks: bool,
    /// Whether a quantifier has no upper bound.
    is_unbounded: bool,
    /// Whether there are alternatives: `|`, or a group that may be left out or repeated.
    has_alternatives: bool,
}

impl Translated {
    /// Whether a search may have to read on far behind a match, for another alternative that comes to nothing. Without
    /// alternatives every way through the pattern meets the same parts, and ends soon behind the match.
    pub(super) fn reads_ahead(&self) -> bool {
        self.is_unbounded && self.has_alternatives
    }
}

/// Horizontal and vertical white space (`\h`, `\v`), and what ends a line, as bodies of classes.
const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// The classes that are one letter, with what they hold; their capital letters are the opposite.
const SHORT_CLASSES: &[(char, &str)] =
    &[('d', "0-9"), ('w', "0-9A-Za-z_"), ('s', r" \t\n\x0B\f\r"), ('h', HORIZONTAL), ('v', VERTICAL)];

/// The named classes that hold other characters in Java than the Unicode property of that name: ASCII only.
const NAMED_CLASSES: &[(&str, &str)] = &[
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x00-\x7F"),
    ("Alpha", "A-Za-z"),
    ("Digit", "0-9"),
    ("Alnum", "0-9A-Za-z"),
    ("Punct", r"!-/:-@\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", " -~"),
    ("Blank", r" \t"),
    ("Cntrl", r"\x00-\x1F\x7F"),
    ("XDigit", "0-9A-Fa-f"),
    ("Space", r" \t\n\x0B\f\r"),
];

/// Rewrites a pattern.
///
/// # Errors
/// What is wrong with it, or not supported.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translation = Translation {
        rest: pattern,
        text: String::with_capacity(pattern.len() + 8),
        backtracks: false,
        dot_is_all: pattern.contains("(?") && flags_of(pattern).any(|flags| flags.contains('s')),
        repeatable: false,
        is_unbounded: false,
        has_alternatives: false,
    };
    while let Some(next) = translation.rest.chars().next() {
        translation.element(next)?;
    }
    Ok(Translated {
        text: translation.text,
        backtracks: translation.backtracks,
        is_unbounded: translation.is_unbounded,
        has_alternatives: translation.has_alternatives,
    })
}

/// What stands between `(?` and the end of a group of flags, for every group that could be one.
fn flags_of(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split("(?").skip(1).map(|group| {
        let end = group.find(|next: char| !next.is_ascii_alphabetic()).unwrap_or(group.len());
        &group[..end]
    })
}

struct Translation<'p> {
    rest: &'p str,
    text: String,
    backtracks: bool,
    /// Whether a flag makes `.` every character.
    dot_is_all: bool,
    /// Whether a quantifier may follow.
    repeatable: bool,
    is_unbounded: bool,
    has_alternatives: bool,
}

impl Translation<'_> {
    fn element(&mut self, next: char) -> Result<(), String> {
        let is_repeatable = match next {
            '\\' => return self.escape(),
            '[' => {
                self.class()?;
                true
            }
            '(' => {
                self.group()?;
                false
            }
            '*' | '+' | '?' | '{' => return self.quantifier(next),
            '.' if !self.dot_is_all => {
                self.skip(1);
                self.text.push_str(&format!("[^{LINE_ENDS}]"));
                true
            }
            other => {
                self.copy(other.len_utf8());
                self.has_alternatives |= other == '|';
                !matches!(other, '|' | '^')
            }
        };
        self.repeatable = is_repeatable;
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn copy(&mut self, bytes: usize) {
        self.text.push_str(&self.rest[..bytes]);
        self.skip(bytes);
    }

    /// `*`, `+`, `?` and `{n,m}` with what may follow them: `?` for as few as possible, `+` for never giving back.
    fn quantifier(&mut self, next: char) -> Result<(), String> {
        if !self.repeatable {
            return Err(format!("nothing to repeat before `{next}`"));
        }
        let length = if next == '{' { self.counted()? } else { 1 };
        self.is_unbounded |= matches!(next, '*' | '+') || self.rest[..length].ends_with(",}");
        self.has_alternatives |= self.text.ends_with(')');
        self.copy(length);
        self.repeatable = false;
        if self.rest.starts_with('?') {
            self.copy(1);
        } else if self.rest.starts_with('+') {
            self.backtracks = true;
            self.copy(1);
        }
        Ok(())
    }

    /// The length of `{n}`, `{n,}` or `{n,m}`.
    fn counted(&self) -> Result<usize, String> {
        let illegal =
            || "illegal repetition: write `{n}`, `{n,}` or `{n,m}`, and `\\{` for the sign".to_owned();
        let close = self.rest.find('}').ok_or_else(illegal)?;
        let (least, most) = self.rest[1..close].split_once(',').unwrap_or((&self.rest[1..close], ""));
        let is_count = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if least.is_empty() || !is_count(least) || !is_count(most) { Err(illegal()) } else { Ok(close + 1) }
    }

    fn group(&mut self) -> Result<(), String> {
        let Some(kind) = self.rest.strip_prefix("(?") else {
            self.copy(1);
            return Ok(());
        };
        for opening in ["(?=", "(?!", "(?<=", "(?<!", "(?>"] {
            if self.rest.starts_with(opening) {
                self.backtracks = true;
                self.copy(opening.len());
                return Ok(());
            }
        }
        if kind.starts_with(':') || kind.starts_with('<') {
            let length = if kind.starts_with(':') {
                3
            } else {
                self.rest.find('>').map_or(self.rest.len(), |at| at + 1)
            };
            self.copy(length);
            return Ok(());
        }
        self.flags(kind)
    }

    fn flags(&mut self, kind: &str) -> Result<(), String> {
        let end = kind.find([')', ':']).ok_or("group is not closed")?;
        let mut flags = String::new();
        for flag in kind[..end].chars() {
            match flag {
                'i' | 'm' | 's' | 'x' | '-' => flags.push(flag),
                // Case is Unicode's and lines end with a line feed anyway.
                'u' | 'd' => {}
                other => return Err(format!("flag `{other}` is not supported")),
            }
        }
        self.skip(2 + end + 1);
        let is_group = kind[end..].starts_with(':');
        let flags = flags.trim_end_matches('-');
        match (is_group, flags.is_empty()) {
            (true, _) => self.text.push_str(&format!("(?{flags}:")),
            (false, true) => {}
            (false, false) => self.text.push_str(&format!("(?{flags})")),
        }
        Ok(())
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        self.repeatable = true;
        if let Some(body) = self.class_body()? {
            self.text.push_str(&format!("[{body}]"));
            return Ok(());
        }
        let next = self.rest[1..].chars().next().ok_or("backslash at the end")?;
        match next {
            'Q' => {
                let literal = self.quoted();
                self.text.push_str(&regex::escape(&literal));
            }
            'b' | 'B' | 'A' | 'z' => self.copy(2),
            'Z' => {
                self.skip(2);
                self.backtracks = true;
                self.text.push_str(r"(?=\n?\z)");
            }
            'R' => {
                self.skip(2);
                self.text.push_str(&format!(r"(?:\r\n|[{VERTICAL}])"));
            }
            '1'..='9' => {
                self.backtracks = true;
                let digits = self.rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                self.copy(1 + digits);
            }
            'k' if self.rest[2..].starts_with('<') => {
                self.backtracks = true;
                let length = self.rest.find('>').ok_or("name after `\\k` is not closed")? + 1;
                self.copy(length);
            }
            _ => self.character(next)?,
        }
        Ok(())
    }

    /// A class between brackets, and those inside it.
    fn class(&mut self) -> Result<(), String> {
        let mut depth = 0usize;
        loop {
            let next = self.rest.chars().next().ok_or("class is not closed with `]`")?;
            match next {
                '[' => {
                    depth += 1;
                    self.copy(1);
                    if self.rest.starts_with('^') {
                        self.copy(1);
                    }
                    // What stands first is a character, not an end, and names of classes in colons aren't Java's.
                    if self.rest.starts_with([']', ':']) {
                        self.text.push('\\');
                        self.copy(1);
                    }
                }
                ']' => {
                    depth -= 1;
                    self.copy(1);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                '\\' => self.class_escape()?,
                '~' => {
                    self.text.push('\\');
                    self.copy(1);
                }
                other => self.copy(other.len_utf8()),
            }
        }
    }

    fn class_escape(&mut self) -> Result<(), String> {
        if let Some(body) = self.class_body()? {
            self.text.push_str(&if body.starts_with('^') { format!("[{body}]") } else { body });
            return Ok(());
        }
        match self.rest[1..].chars().next().ok_or("backslash at the end")? {
            'Q' => {
                let literal = self.quoted();
                for character in literal.chars() {
                    self.literal(character);
                }
                Ok(())
            }
            next => self.character(next),
        }
    }

    /// The body of the class that an escape stands for, if it does: `\d`, `\W`, `\p{Alpha}` and the like.
    fn class_body(&mut self) -> Result<Option<String>, String> {
        let mut letters = self.rest[1..].chars();
        let Some(letter) = letters.next() else { return Ok(None) };
        let negated = if letter.is_ascii_uppercase() { "^" } else { "" };
        if matches!(letter, 'p' | 'P') {
            return self.property(negated).map(Some);
        }
        let short = SHORT_CLASSES.iter().find(|(name, _)| *name == letter.to_ascii_lowercase());
        Ok(short.map(|(_, body)| {
            self.skip(2);
            format!("{negated}{body}")
        }))
    }

    fn property(&mut self, negated: &str) -> Result<String, String> {
        let name = match self.rest[2..].strip_prefix('{') {
            Some(rest) => &rest[..rest.find('}').ok_or("name of a class is not closed with `}`")?],
            None => self.rest[2..].get(..1).ok_or("name of a class is missing")?,
        };
        let length = 2 + name.len() + if self.rest[2..].starts_with('{') { 2 } else { 0 };
        let body = NAMED_CLASSES.iter().find(|(known, _)| *known == name);
        let body = body.map_or_else(|| format!(r"\p{{{name}}}"), |(_, body)| (*body).to_owned());
        self.skip(length);
        Ok(format!("{negated}{body}"))
    }

    /// What stands between `\Q` and `\E`, or the end.
    fn quoted(&mut self) -> String {
        let literal = &self.rest[2..];
        let end = literal.find(r"\E").unwrap_or(literal.len());
        let quoted = literal[..end].to_owned();
        self.rest = literal[end..].strip_prefix(r"\E").unwrap_or("");
        quoted
    }

    /// An escape that stands for one character.
    fn character(&mut self, next: char) -> Result<(), String> {
        let simple = match next {
            't' => Some('\t'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            'f' => Some('\u{c}'),
            'a' => Some('\u{7}'),
            'e' => Some('\u{1b}'),
            _ if !next.is_ascii_alphanumeric() => Some(next),
            _ => None,
        };
        if let Some(character) = simple {
            self.skip(1 + next.len_utf8());
            self.literal(character);
            return Ok(());
        }
        let (digits, radix) = match next {
            'x' if self.rest[2..].starts_with('{') => {
                let close = self.rest.find('}').ok_or("`\\x{` is not closed")?;
                (self.rest[3..close].to_owned(), 16)
            }
            'x' => (self.rest[2..].chars().take(2).collect(), 16),
            'u' => (self.rest[2..].chars().take(4).collect(), 16),
            '0' => {
                (self.rest[2..].chars().take(3).take_while(|digit| digit.is_digit(8)).collect::<String>(), 8)
            }
            _ => return Err(format!("escape `\\{next}` is not supported")),
        };
        let code = u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32);
        let character = code.ok_or_else(|| format!("`\\{next}{digits}` is no character"))?;
        let braces = if next == 'x' && self.rest[2..].starts_with('{') { 2 } else { 0 };
        self.skip(2 + digits.len() + braces);
        self.literal(character);
        Ok(())
    }

    fn literal(&mut self, character: char) {
        self.text.push_str(&format!(r"\x{{{:X}}}", u32::from(character)));
    }
}
