//! Statements and payloads made of bytes: every construct of the grammar, over names that the payloads hold.
//!
//! Shared by property tests and fuzz targets. When the bytes run out every choice is the first, which ends all nesting.

/// Choices taken from bytes.
pub(crate) struct Choices<'b> {
    bytes: &'b [u8],
    /// What may be called: name, fewest and most arguments.
    functions: &'b [(&'static str, usize, usize)],
    /// How many variables SET has defined so far.
    variables: usize,
}

/// What [`Choices`] may call: name, fewest and most arguments.
pub(crate) fn functions(
    catalogue: impl Iterator<Item = (&'static str, (usize, usize))>,
) -> Vec<(&'static str, usize, usize)> {
    catalogue.map(|(name, (fewest, most))| (name, fewest, most)).collect()
}

/// A piece of SQL and how tightly it holds together, from 1 (OR) to 8.
type Piece = (String, u8);

const VARIABLES: [&str; 3] = ["@v", "@limit_2", "@V"];
const FIELDS: [&str; 8] = ["a", "b", "c", "d", "value", "x1", "_y", "Topic"];
const NUMBERS: [&str; 10] =
    ["0", "7", "2.50", "1e3", "10.0", "1E-7", "0.0", "12345678901234567890.5", "9E999", "0.1"];
const STRINGS: [&str; 14] = [
    "'a'",
    "\"b\"",
    "'it''s'",
    "\"x\"\"y\"",
    "''",
    "'true'",
    "'5'",
    "'-1.5E-1'",
    "'€uro'",
    "'base64'",
    "'(a|b)+'",
    "'yyyy-MM-dd'",
    "'enrichArray'",
    "'W3siYSI6MX1d'",
];
const OPERATORS: [(&str, u8); 13] = [
    ("OR", 1),
    ("AND", 2),
    ("=", 4),
    ("<>", 4),
    ("<", 4),
    ("<=", 4),
    (">", 4),
    (">=", 4),
    ("+", 5),
    ("-", 5),
    ("*", 6),
    ("/", 6),
    ("%", 6),
];
const TYPES: [&str; 6] = ["String", "int", "DOUBLE", "Decimal", "bool", "nvarchar"];

impl<'b> Choices<'b> {
    /// Choices from these bytes; statements call these functions.
    pub(crate) fn new(bytes: &'b [u8], functions: &'b [(&'static str, usize, usize)]) -> Self {
        Self { bytes, functions, variables: 0 }
    }

    fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first) % count
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn keyword(&mut self, keyword: &str) -> String {
        match self.below(3) {
            0 => keyword.to_owned(),
            1 => keyword.to_lowercase(),
            _ => format!("{}{}", &keyword[..1], keyword[1..].to_lowercase()),
        }
    }

    fn space(&mut self) -> &'static str {
        self.one_of(&[" ", "  ", "\n", "\t "])
    }

    /// A statement that the parser takes; the check may still refuse it.
    pub(crate) fn statement(&mut self) -> String {
        if self.below(8) == 7 { self.windowed() } else { self.unwindowed() }
    }

    /// A statement over windows.
    fn windowed(&mut self) -> String {
        let mut sql = format!("{} {} AS k", self.keyword("SELECT"), self.one_of(&["a", "upper(a)", "1"]));
        for number in 0..self.below(4) {
            sql.push_str(&format!(", {} AS n{number}", self.aggregate()));
        }
        sql.push_str(&format!(" {} '#'", self.keyword("FROM")));
        if self.below(2) == 1 {
            sql.push_str(&format!(" {} BY {}", self.keyword("TIMESTAMP"), self.expression(2).0));
        }
        if self.below(2) == 1 {
            sql.push_str(&format!("{}{} {}", self.space(), self.keyword("WHERE"), self.expression(3).0));
        }
        let keys = self.one_of(&["a, ", "upper(a), ", "", "a, b.a, "]);
        let window = self.one_of(&[
            "TUMBLINGWINDOW(ss, 10)",
            "tumblingwindow(hour, 1)",
            "HOPPINGWINDOW(mi, 10, 5)",
            "SessionWindow(ms, 500)",
            "SESSIONWINDOW(ss, 5, 60)",
        ]);
        sql.push_str(&format!(" {} BY {keys}{window}", self.keyword("GROUP")));
        if self.below(2) == 1 {
            sql.push_str(&format!(
                " {} {} > {}",
                self.keyword("HAVING"),
                self.aggregate(),
                self.one_of(&NUMBERS)
            ));
        }
        sql
    }

    fn aggregate(&mut self) -> String {
        let argument = self.expression(2).0;
        match self.below(5) {
            0 => "count(*)".to_owned(),
            1 => format!("percentile({argument}, 0.95)"),
            2 => format!("(max({argument}) - min({argument})) / 2"),
            _ => format!(
                "{}({argument})",
                self.one_of(&["count", "SUM", "avg", "min", "max", "first", "Last"])
            ),
        }
    }

    fn unwindowed(&mut self) -> String {
        let mut sql = String::new();
        let assignments = self.below(VARIABLES.len() + 1);
        for (variable, name) in VARIABLES.into_iter().enumerate().take(assignments) {
            let start = if variable == 0 { self.keyword("SET") } else { ",".to_owned() };
            let value = self.expression(3).0;
            sql.push_str(&format!("{start} {name} = {value}"));
            self.variables = variable + 1;
        }
        sql.push_str(&format!(" {} {}", self.keyword("SELECT"), self.body(4)));
        if self.below(8) != 7 {
            let filter = self.one_of(&["'plant/#'", "'#'", "\"plant/+/telemetry\"", "'it''s/+'"]);
            sql.push_str(&format!("{}{} {filter}", self.space(), self.keyword("FROM")));
        }
        if self.below(2) == 1 {
            sql.push_str(&format!("{}{} {}", self.space(), self.keyword("WHERE"), self.expression(4).0));
        }
        sql
    }

    fn body(&mut self, depth: usize) -> String {
        if self.below(3) == 1 {
            return format!("{} {}", self.keyword("VALUE"), self.expression(depth).0);
        }
        let count = 1 + self.below(4);
        let items: Vec<String> = (0..count)
            .map(|_| {
                let (item, strength) = self.expression(depth);
                // `SELECT value + 1` would be read as SELECT VALUE.
                let item = if item.starts_with("value") && strength < 8 { format!("({item})") } else { item };
                match self.below(3) {
                    0 => format!(
                        "{item} {} {}",
                        self.keyword("AS"),
                        self.one_of(&["r", "p.x", "p.y", "from", "p"])
                    ),
                    _ => item,
                }
            })
            .collect();
        items.join(self.one_of(&[", ", ",", " ,\n"]))
    }

    fn query(&mut self, depth: usize) -> String {
        let body = self.body(depth);
        let source = self.at_least(8, depth);
        let mut sql = format!("{} {body} {} {source}", self.keyword("SELECT"), self.keyword("FROM"));
        if self.below(2) == 1 {
            sql.push_str(&format!(" {} {}", self.keyword("WHERE"), self.expression(depth).0));
        }
        sql
    }

    fn leaf(&mut self) -> Piece {
        let text = match self.below(9) {
            0..=2 => self.one_of(&FIELDS).to_owned(),
            3 => self.one_of(&NUMBERS).to_owned(),
            4 => self.one_of(&STRINGS).to_owned(),
            5 => self.keyword("TRUE"),
            6 => self.keyword("NULL"),
            7 if self.variables > 0 => VARIABLES[self.below(self.variables)].to_owned(),
            _ => "*".to_owned(),
        };
        (text, 8)
    }

    /// An expression, in parentheses if it is weaker than `strength_min`, and sometimes if it isn't.
    fn at_least(&mut self, strength_min: u8, depth: usize) -> String {
        let (text, strength) = self.expression(depth);
        if strength < strength_min || self.below(8) == 7 { format!("({text})") } else { text }
    }

    fn expression(&mut self, depth: usize) -> Piece {
        let Some(depth) = depth.checked_sub(1) else { return self.leaf() };
        match self.below(24) {
            0..=5 => self.leaf(),
            6..=10 => self.binary(depth),
            11 => (format!("{} {}", self.keyword("NOT"), self.at_least(3, depth)), 3),
            12 => (format!("- {}", self.at_least(8, depth)), 7),
            13 | 14 => {
                let inner = self.at_least(8, depth);
                // The point would be read as part of a number.
                let inner = if inner.ends_with(|last: char| last.is_ascii_digit()) {
                    format!("({inner})")
                } else {
                    inner
                };
                (format!("{inner}.{}", self.one_of(&["a", "b", "value", "from"])), 8)
            }
            15 => {
                let (left, right) = (self.at_least(5, depth), self.at_least(5, depth));
                let not = if self.below(2) == 1 { "NOT " } else { "" };
                (format!("{left} {not}{} {right}", self.keyword("IN")), 4)
            }
            16 => (format!("{} ({})", self.keyword("EXISTS"), self.query(depth)), 8),
            17 | 18 => (format!("({})", self.query(depth)), 8),
            19 | 20 => self.call(depth),
            21 => {
                let inner = self.expression(depth).0;
                (
                    format!(
                        "{}({inner} {} {})",
                        self.keyword("CAST"),
                        self.keyword("AS"),
                        self.one_of(&TYPES)
                    ),
                    8,
                )
            }
            22 => self.case(depth),
            _ => self.collection(depth),
        }
    }

    fn binary(&mut self, depth: usize) -> Piece {
        let (operator, strength) = OPERATORS[self.below(OPERATORS.len())];
        let left = self.at_least(strength + u8::from(strength == 4), depth);
        let right = self.at_least(strength + 1, depth);
        let operator = if strength < 3 { self.keyword(operator) } else { operator.to_owned() };
        (format!("{left}{}{operator}{}{right}", self.space(), self.space()), strength)
    }

    fn call(&mut self, depth: usize) -> Piece {
        if self.functions.is_empty() {
            return self.leaf();
        }
        let (name, fewest, most) = self.functions[self.below(self.functions.len())];
        let count = (fewest + self.below(3)).min(most);
        let mut arguments: Vec<String> = (0..count).map(|_| self.expression(depth).0).collect();
        if count > 0 && self.below(12) == 11 {
            // A subquery that is the last argument needs no parentheses.
            arguments[count - 1] = self.query(depth);
        }
        let name = if self.below(2) == 1 { name.to_uppercase() } else { name.to_owned() };
        (format!("{name}({})", arguments.join(", ")), 8)
    }

    fn case(&mut self, depth: usize) -> Piece {
        let mut sql = format!("{} {}", self.keyword("CASE"), self.expression(depth).0);
        for _ in 0..=self.below(2) {
            let (wanted, result) = (self.expression(depth).0, self.expression(depth).0);
            sql.push_str(&format!(" {} {wanted} {} {result}", self.keyword("WHEN"), self.keyword("THEN")));
        }
        if self.below(2) == 1 {
            sql.push_str(&format!(" {} {}", self.keyword("ELSE"), self.expression(depth).0));
        }
        (format!("{sql} {}", self.keyword("END")), 8)
    }

    fn collection(&mut self, depth: usize) -> Piece {
        let elements: Vec<String> = (0..self.below(4)).map(|_| self.expression(depth).0).collect();
        if self.below(2) == 0 {
            return (format!("[{}]", elements.join(", ")), 8);
        }
        let keys: Vec<String> = elements
            .iter()
            .map(|value| format!("{}: {value}", self.one_of(&["'a'", "\"b\"", "'it''s'", "'a b'"])))
            .collect();
        (format!("{{{}}}", keys.join(", ")), 8)
    }

    /// A payload: mostly an object with the members statements ask for, sometimes other JSON, sometimes none at all.
    pub(crate) fn payload(&mut self) -> Vec<u8> {
        match self.below(12) {
            10 => return self.bytes.to_vec(),
            11 => return self.json(4).into_bytes(),
            _ => {}
        }
        let members: Vec<String> = (0..self.below(8)).map(|_| self.member(4)).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }

    fn member(&mut self, depth: usize) -> String {
        let name = self.one_of(&["a", "b", "c", "d", "value", "x1", "_y", "from", "k\\u0065y"]);
        format!("\"{name}\":{}", self.json(depth))
    }

    fn json(&mut self, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return "1".to_owned() };
        match self.below(10) {
            0 => {
                self.one_of(&["0", "1", "-2.50", "10.0", "1e3", "1E400", "5e-9", "-0", "1e99999"]).to_owned()
            }
            1 => "1234567890".repeat(1 + self.below(6)),
            2 => self.one_of(&["true", "false", "null"]).to_owned(),
            3 => self
                .one_of(&[
                    "\"a\"",
                    "\"5\"",
                    "\"true\"",
                    "\"\"",
                    "\"\\ud83d\\ude00\\n\"",
                    "\"(a\"",
                    "\"W10=\"",
                ])
                .to_owned(),
            4..=6 => {
                let elements: Vec<String> = (0..self.below(5)).map(|_| self.json(depth)).collect();
                format!("[{}]", elements.join(" , "))
            }
            _ => {
                let members: Vec<String> = (0..self.below(5)).map(|_| self.member(depth)).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}
