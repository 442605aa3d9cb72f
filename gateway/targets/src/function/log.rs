//! What the code of a function prints, line by line: into the gateway's log and the function's own file.

use super::config::Settings;
use super::error::FunctionError;
use super::log_file::LogFile;

/// The log of one function. Lines of all its instances go through here.
pub struct Log {
    function: String,
    file: Option<LogFile>,
}

impl Log {
    /// Opens the log of the function of `settings`.
    ///
    /// # Errors
    /// When its file can't be opened.
    pub(super) fn open(settings: &Settings) -> Result<Self, FunctionError> {
        let open = |directory: &std::path::PathBuf| {
            LogFile::open(directory, &settings.name, settings.log_bytes_max).map_err(|error| {
                FunctionError::Log {
                    function: settings.name.clone(),
                    path: directory.display().to_string(),
                    why: error.to_string(),
                }
            })
        };
        let file = settings.log_directory.as_ref().map(open).transpose()?;
        Ok(Self { function: settings.name.clone(), file })
    }

    /// Adds a line that `instance` printed on `stream` during the call `request_id`, or outside any.
    pub fn line(&self, instance: &str, request_id: Option<&str>, stream: &str, line: &str) {
        tracing::info!(
            target: "function_output", function = self.function, instance, request_id, stream, line
        );
        if let Some(file) = &self.file {
            file.write(instance, request_id.unwrap_or("-"), line);
        }
    }
}
