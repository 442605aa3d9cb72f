//! What is wrong with the settings, said so that it can be mended.

use std::fmt;
use std::path::PathBuf;

/// Settings that can't be used.
#[derive(Debug)]
pub(crate) struct SettingsError {
    /// The file, or the environment variable, at fault.
    pub(crate) origin: Origin,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// Where a setting came from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A settings file as a whole.
    File(PathBuf),
    /// A place in a settings file; line and column count from 1.
    Place(PathBuf, usize, usize),
    /// An environment variable.
    Environment(String),
    /// Several settings together.
    Together,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(path) => write!(formatter, "{}: {}", path.display(), self.message),
            Origin::Place(path, line, column) => {
                write!(formatter, "{}:{line}:{column}: {}", path.display(), self.message)
            }
            Origin::Environment(name) => write!(formatter, "environment variable {name}: {}", self.message),
            Origin::Together => write!(formatter, "settings: {}", self.message),
        }
    }
}

impl std::error::Error for SettingsError {}

/// Turns the TOML reader's words into ours: the first line, and the nearest valid name for a key that does not exist.
pub(crate) fn explain(error: &toml::de::Error) -> String {
    let message = error.message().trim();
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !(message.starts_with("unknown field") || message.starts_with("unknown variant")) {
        return without_types(message);
    }
    let Some(unknown) = quoted.next() else { return message.to_string() };
    let what = if message.starts_with("unknown field") { "key" } else { "value" };
    let known: Vec<&str> = quoted.collect();
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("unknown {what} `{unknown}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{unknown}`; possible here: {}", known.join(", ")),
    }
}

/// What kind of value is expected, in words that are not Rust's.
fn without_types(message: &str) -> String {
    let whole = ["usize", "u64", "u32", "u16", "u8"];
    let named = whole.iter().find_map(|name| message.strip_suffix(&format!("expected {name}")));
    named.map_or_else(|| message.to_string(), |before| format!("{before}expected a whole number"))
}

/// The candidate most like `word`, when one is near enough to be a slip of the fingers.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}
