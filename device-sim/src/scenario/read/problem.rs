//! What is wrong with a scenario, and where.

use std::fmt;
use std::path::Path;

use super::section::hint;

/// Everything that is wrong with a scenario; never empty. Shown with a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// A mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the scenario; both numbers from 1.
    Text { name: String, line: usize, column: usize },
    /// In a file that it names, or in it as a whole.
    File { name: String, line: Option<usize> },
    /// In a setting of the command line.
    Setting(String),
}

impl Place {
    /// The place of a byte of the text, or of the setting whose number is the distance from the text's end.
    pub(super) fn of(name: &str, text: &str, settings: &[String], start: usize) -> Self {
        if let Some(setting) = start.checked_sub(text.len() + 1).and_then(|number| settings.get(number)) {
            return Self::Setting(setting.clone());
        }
        let mut start = start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self::Text {
            name: name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl Problems {
    /// A name that does not exist.
    pub(crate) fn of_name<'k>(name: &str, message: &str, known: impl Iterator<Item = &'k str>) -> Self {
        let place = Place::File { name: name.to_owned(), line: None };
        Self(vec![Problem { place, message: format!("{message}{}", hint(name, known, "there are")) }])
    }

    pub(super) fn of_file(path: &Path, message: String) -> Self {
        let place = Place::File { name: path.display().to_string(), line: None };
        Self(vec![Problem { place, message }])
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Text { name, line, column } => write!(formatter, "{name}:{line}:{column}: ")?,
            Place::File { name, line: Some(line) } => write!(formatter, "{name}:{line}: ")?,
            Place::File { name, line: None } => write!(formatter, "{name}: ")?,
            Place::Setting(setting) => write!(formatter, "--set {setting}: ")?,
        }
        formatter.write_str(&self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
