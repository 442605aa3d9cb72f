//! The part of JSONPath that input paths have: `$`, `.name`, `['name']`, `[0]`.

use super::{PATH_CHARACTERS_MAX, TransformFault};
use crate::TransformError;
use crate::json::{Fault, Kind, Reader};

/// The way to one value of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(Box<str>),
    Element(usize),
}

impl From<Fault> for TransformFault {
    fn from(fault: Fault) -> Self {
        Self::NotJson { offset: fault.offset, expected: fault.expected }
    }
}

impl JsonPath {
    pub(super) fn parse(path: &str) -> Result<Self, TransformError> {
        let wrong = |why: &str| {
            TransformError::new(format!(
                "`{path}` is no path: {why}; write for example `$.detail.tags[0]` or `$['detail-type']`"
            ))
        };
        if path.chars().count() > PATH_CHARACTERS_MAX {
            return Err(wrong(&format!("it has more than {PATH_CHARACTERS_MAX} characters")));
        }
        let Some(mut rest) = path.strip_prefix('$') else { return Err(wrong("it does not begin with `$`")) };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = match rest.strip_prefix('.') {
                Some(behind) => named(behind),
                None => rest.strip_prefix('[').map_or(Err("a step begins with `.` or `[`"), bracketed),
            }
            .map_err(&wrong)?;
            steps.push(step);
            rest = behind;
        }
        Ok(Self { steps })
    }

    /// The value in `event`, as it is written there.
    pub(super) fn find<'e>(&self, event: &'e str) -> Result<Option<&'e str>, TransformFault> {
        let mut reader = Reader::new(event);
        let mut value = reader.value(0)?;
        reader.end()?;
        for step in &self.steps {
            let found = match step {
                Step::Member(name) => member(value, name)?,
                Step::Element(number) => element(value, *number)?,
            };
            match found {
                Some(found) => value = found,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

fn named(text: &str) -> Result<(Step, &str), &'static str> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    match &text[..end] {
        "" => Err("a name is missing behind `.`"),
        "*" => Err("`*` is not known here"),
        name if name.contains([']', '\'', '"', ' ', '(', ')', '?', '@']) => {
            Err("a name holds letters, digits, `_` and `-`; others stand in `['…']`")
        }
        name => Ok((Step::Member(name.into()), &text[end..])),
    }
}

fn bracketed(text: &str) -> Result<(Step, &str), &'static str> {
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let Some((name, behind)) = text[1..].split_once(quote) else { return Err("a quote is not closed") };
        let behind = behind.strip_prefix(']').ok_or("`]` is missing")?;
        return Ok((Step::Member(name.into()), behind));
    }
    let (number, behind) = text.split_once(']').ok_or("`]` is missing")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse() {
        Ok(number) if is_number => Ok((Step::Element(number), behind)),
        _ => Err("brackets hold a number or a name in quotes"),
    }
}

/// The member of an object; of a repeated one the last.
fn member<'e>(object: &'e str, name: &str) -> Result<Option<&'e str>, Fault> {
    let mut reader = Reader::new(object);
    let mut found = None;
    if reader.kind()? != Kind::Object || !reader.pass(b'{') || reader.pass(b'}') {
        return Ok(None);
    }
    loop {
        reader.space();
        let is_it = *reader.text()? == *name;
        reader.expect(b':', "`:`")?;
        let value = reader.value(1)?;
        if is_it {
            found = Some(value);
        }
        if !reader.pass(b',') {
            return Ok(found);
        }
    }
}

fn element(array: &str, number: usize) -> Result<Option<&str>, Fault> {
    let mut reader = Reader::new(array);
    if reader.kind()? != Kind::Array || !reader.pass(b'[') || reader.pass(b']') {
        return Ok(None);
    }
    for _ in 0..number {
        reader.value(1)?;
        if !reader.pass(b',') {
            return Ok(None);
        }
    }
    reader.value(1).map(Some)
}
