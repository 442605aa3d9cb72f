//! The reference of the functions as people read it: produced from the catalogue, so that it can't say anything else.

use std::fmt::Write as _;

use super::{Argument, ArgumentKind, CAST, EXAMPLE_PAYLOAD, FAMILIES, Function};
use crate::diagnostic::nearest;

/// The reference page: every function by family, with its examples, in Markdown.
pub fn markdown() -> String {
    let mut page = format!(
        "# Functions\n\n\
         Every function of the SQL, with calls and what they give. `iot-gateway rules functions --markdown` prints this page,\n\
         `iot-gateway rules functions NAME` one entry of it. Names may be written in any case. What the language does with\n\
         values that don't fit, and what AWS leaves open, is in [DIALECT.md](DIALECT.md).\n\n\
         They stand wherever a value may stand:\n\n\
         ```sql\n\
         SELECT upper(name) AS name, topic(2) AS line, parse_time('yyyy-MM-dd', timestamp()) AS day\n\
         FROM 'plant/+/telemetry' WHERE regexp_matches(name, '^Kiln') AND round(temperature) > 80\n\
         ```\n\n\
         ```json message plant/kiln7/telemetry\n{EXAMPLE_PAYLOAD}\n```\n\n\
         gives\n\n\
         ```json result\n\
         {{\"name\":\"KILN 7\",\"line\":\"kiln7\",\"day\":\"2024-06-10\"}}\n\
         ```\n\n\
         The examples see this payload, published to `plant/kiln7/telemetry` by the client `kiln7` at 1718000000123.\n\n\
         A call with too few or too many arguments is Undefined, and the author is warned when the rule is created.\n\n"
    );
    for family in FAMILIES {
        let anchor = family.title.to_lowercase().replace(' ', "-").replace(',', "");
        let names: Vec<String> =
            family.functions.iter().map(|function| format!("`{}`", function.name)).collect();
        let _ = writeln!(page, "- [{}](#{anchor}): {}", family.title, names.join(", "));
    }
    for family in FAMILIES {
        let _ = write!(page, "\n## {}\n\n{}\n", family.title, family.introduction);
        for function in family.functions {
            entry(function, &mut page);
        }
        if family.title == CAST_STANDS_IN {
            entry(&CAST, &mut page);
        }
    }
    page
}

/// The family in which readers look for `cast`.
const CAST_STANDS_IN: &str = "Structure and conversion";

fn entry(function: &Function, page: &mut String) {
    let since = function.since.text();
    let _ = write!(page, "\n### `{}`\n\n{}", function.signature(), function.description);
    if let Some(sentence) = function.undefined_when() {
        let _ = write!(page, " {sentence}");
    }
    let _ = write!(page, " Since `{since}`.\n\n```text\n{}```\n", examples(function));
}

/// One function for people at a terminal.
pub fn describe(function: &Function) -> String {
    let undefined = function.undefined_when().map(|sentence| format!("\n{sentence}")).unwrap_or_default();
    format!(
        "{}\n\n{}{undefined}\nSince SQL version {}.\n\n{}",
        function.signature(),
        function.description,
        function.since.text(),
        examples(function)
    )
}

/// Calls and results, the arrows below each other.
fn examples(function: &Function) -> String {
    let widths = function.examples.iter().map(|example| example.sql.chars().count());
    // One long call must not push all results out of sight.
    let width = widths.filter(|width| *width <= 60).max().unwrap_or(0);
    let mut lines = String::new();
    for example in function.examples {
        let _ = writeln!(lines, "{:width$}  → {}", example.sql, example.gives);
    }
    lines
}

/// Every family with the signatures of its functions, to find one by.
pub fn overview() -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let _ = writeln!(text, "{}", family.title);
        for function in family.functions {
            let _ = writeln!(text, "  {}", function.signature());
        }
    }
    let _ = writeln!(text, "  {}", CAST.signature());
    text
}

/// The function called `name`, `cast` among them.
///
/// # Errors
/// The nearest name there is, if one is near enough.
pub fn look_up(name: &str) -> Result<&'static Function, Option<&'static str>> {
    let mut known = super::catalogue().chain([&CAST]);
    match known.find(|function| function.name.eq_ignore_ascii_case(name)) {
        Some(function) => Ok(function),
        None => Err(nearest(name, super::catalogue().chain([&CAST]).map(|function| function.name))),
    }
}

impl Function {
    /// Which arguments make the result Undefined, in a sentence; what else does is in the description.
    pub fn undefined_when(&self) -> Option<String> {
        let mut clauses = Vec::new();
        for (complaint, _) in COMPLAINTS {
            let is_meant = |argument: &&Argument| complaint_of(argument.kind) == Some(*complaint);
            let names: Vec<String> = self
                .arguments
                .iter()
                .filter(is_meant)
                .map(|argument| format!("`{}`", argument.name))
                .collect();
            if !names.is_empty() {
                clauses.push(format!("{} {complaint}", names.join(" or ")));
            }
        }
        (!clauses.is_empty()).then(|| format!("Undefined when {}.", clauses.join(", or ")))
    }
}

/// What can be wrong with an argument, and the kinds of which that is said.
const COMPLAINTS: &[(&str, &[ArgumentKind])] = &[
    ("is neither a number nor a numeric String", &[ArgumentKind::Number]),
    ("is Null or Undefined", &[ArgumentKind::Text]),
    ("is no regular expression", &[ArgumentKind::Pattern]),
    ("is no String", &[ArgumentKind::String]),
    ("is no pattern of dates", &[ArgumentKind::WritePattern, ArgumentKind::ReadPattern]),
    ("is no time zone", &[ArgumentKind::Zone]),
    ("is no Object", &[ArgumentKind::Object]),
    ("is no Array", &[ArgumentKind::Array]),
];

fn complaint_of(kind: ArgumentKind) -> Option<&'static str> {
    COMPLAINTS.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(complaint, _)| *complaint)
}
