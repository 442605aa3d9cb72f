//! Settings: one TOML file, overrides from the environment, a default for every key.
//!
//! [`raw`] is what was written, [`Settings`] is what it means: paths made absolute, references between keys checked, secrets read.
//! Whatever holds a [`Settings`] need not check it again.

mod check;
mod compatibility;
mod environment;
mod error;
mod raw;
mod secret;

pub(crate) use check::check;
pub(crate) use error::{Origin, SettingsError};
pub(crate) use raw::{
    Archive, ClientCertificate, Compatibility, DeadLetterOverflow, Function, Http, Listener, ListenerLimits,
    LogFormat, Overflow, PublishRateExceeded, Queue, QueueFull, QueueFullQos0, Raw, RegisterUnknown, Stream,
    TargetDelivery,
};
pub(crate) use secret::AccessKey;

use std::path::{Path, PathBuf};

/// Checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// As written, with every path absolute.
    pub(crate) raw: Raw,
    /// Keys that sign requests to the API.
    pub(crate) access_keys: Vec<AccessKey>,
    /// Names of the environment variables that changed something, for the log line at start.
    pub(crate) overridden_by: Vec<String>,
}

impl Settings {
    /// Reads the file (or only the defaults), then the environment, then checks the whole.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let text = match file {
            Some(path) => read(path)?,
            None => String::new(),
        };
        let directory = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
        Self::from_text(&text, file.unwrap_or(Path::new("settings")), &directory, std::env::vars())
    }

    /// The same for text that is already at hand; `directory` is what relative paths start from.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub(crate) fn from_text(
        text: &str,
        file: &Path,
        directory: &Path,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let (raw, overridden_by) = merge(text, file, variables)?;
        check(raw, overridden_by, directory)
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "; name the settings file with --config",
            std::io::ErrorKind::PermissionDenied => {
                "; the user this process runs as must be allowed to read it"
            }
            _ => "",
        };
        SettingsError {
            origin: Origin::File(path.to_path_buf()),
            message: format!("can't be read: {error}{advice}"),
        }
    })
}

fn merge(
    text: &str,
    file: &Path,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(Raw, Vec<String>), SettingsError> {
    let from_file: Raw = toml::from_str(text).map_err(|error| at_place(file, text, &error))?;
    let mut table: toml::Table = toml::from_str(text).map_err(|error| at_place(file, text, &error))?;
    let overridden_by = environment::apply(&mut table, variables)?;
    if !compatibility::apply(&mut table) && overridden_by.is_empty() {
        return Ok((from_file, overridden_by));
    }
    let raw = table.try_into().map_err(|error| SettingsError {
        origin: Origin::Environment(overridden_by.join(", ")),
        message: error::explain(&error),
    })?;
    Ok((raw, overridden_by))
}

fn at_place(file: &Path, text: &str, error: &toml::de::Error) -> SettingsError {
    let message = error::explain(error);
    let Some(span) = error.span() else {
        return SettingsError { origin: Origin::File(file.to_path_buf()), message };
    };
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    SettingsError { origin: Origin::Place(file.to_path_buf(), line, column), message }
}

#[cfg(test)]
mod tests;
