//! What is wrong with a definition, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a rule definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, or the folder when no file is to blame.
    pub file: PathBuf,
    /// Line and column, each counted from 1, if a place in the file is to blame.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of the file as a whole.
    pub(crate) fn of_file(file: &Path, message: String) -> Self {
        Self { file: file.to_path_buf(), place: None, message, hint: None }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(formatter, ":{line}:{column}")?;
        }
        write!(formatter, ": {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(formatter, "; {hint}"))
    }
}

impl std::error::Error for Fault {}
