//! What the code of a function prints, line by line: into the gateway's log, the function's own file, and to who asked for the log of one
//! call.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use parking_lot::Mutex;

use super::config::Settings;
use super::error::FunctionError;
use super::log_file::LogFile;

/// What Lambda gives of the log of a call (`X-Amz-Log-Result`), in bytes.
const TAIL_BYTES_MAX: usize = 4 << 10;

/// The log of one function. Lines of all its instances go through here.
pub struct Log {
    function: String,
    file: Option<LogFile>,
    /// Calls whose caller asked for their log. No more than calls that run.
    tails: Mutex<HashMap<String, Tail>>,
}

/// The last bytes of the log of one call.
#[derive(Default)]
struct Tail {
    text: VecDeque<u8>,
}

impl Log {
    /// Opens the log of the function of `settings`.
    ///
    /// # Errors
    /// When its file can't be opened.
    pub(super) fn open(settings: &Settings) -> Result<Self, FunctionError> {
        let open = |directory: &PathBuf| {
            LogFile::open(directory, &settings.name, settings.log_bytes_max).map_err(|error| {
                FunctionError::Log {
                    function: settings.name.clone(),
                    path: directory.display().to_string(),
                    why: error.to_string(),
                }
            })
        };
        let file = settings.log_directory.as_ref().map(open).transpose()?;
        Ok(Self { function: settings.name.clone(), file, tails: Mutex::default() })
    }

    /// Adds a line that `instance` printed on `stream` during the call `request_id`, or outside any.
    pub fn line(&self, instance: &str, request_id: Option<&str>, stream: &str, line: &str) {
        tracing::info!(
            target: "function_output", function = self.function, instance, request_id, stream, line
        );
        if let Some(file) = &self.file {
            file.write(instance, request_id.unwrap_or("-"), line);
        }
        let mut tails = self.tails.lock();
        if let Some(tail) = request_id.and_then(|id| tails.get_mut(id)) {
            tail.push(line);
        }
    }

    /// Adds a line of the gateway's own about a call, to the function's file alone: the gateway's log says it in its own way.
    pub(super) fn note(&self, request_id: &str, line: &str) {
        if let Some(file) = &self.file {
            file.write("-", request_id, line);
        }
    }

    /// Keeps the log of a call from now on.
    pub(super) fn tail<'a>(&'a self, request_id: &'a str) -> TailOfCall<'a> {
        self.tails.lock().insert(request_id.to_owned(), Tail::default());
        TailOfCall { log: self, request_id }
    }

    /// Where the file is, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&std::path::Path> {
        self.file.as_ref().map(LogFile::path)
    }
}

impl Tail {
    fn push(&mut self, line: &str) {
        self.text.extend(line.bytes());
        self.text.push_back(b'\n');
        let over = self.text.len().saturating_sub(TAIL_BYTES_MAX);
        self.text.drain(..over);
    }
}

/// The log of one call, kept while this lives.
pub(super) struct TailOfCall<'a> {
    log: &'a Log,
    request_id: &'a str,
}

impl TailOfCall<'_> {
    /// Adds a line that only who asked for the log sees.
    pub(super) fn push(&self, line: &str) {
        if let Some(tail) = self.log.tails.lock().get_mut(self.request_id) {
            tail.push(line);
        }
    }

    /// The last bytes of the log.
    pub(super) fn text(&self) -> Vec<u8> {
        let tails = self.log.tails.lock();
        tails.get(self.request_id).map(|tail| tail.text.iter().copied().collect()).unwrap_or_default()
    }
}

impl Drop for TailOfCall<'_> {
    fn drop(&mut self) {
        self.log.tails.lock().remove(self.request_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_whose_log_was_asked_for_keeps_the_end_of_its_own_lines() {
        let log = Log::open(&Settings::new("f", Vec::new())).unwrap();
        log.line("i", Some("a"), "stdout", "nobody asked yet");
        let tail = log.tail("a");
        tail.push("START");
        log.line("i", Some("a"), "stdout", "of a");
        log.line("i", Some("b"), "stdout", "of b");
        log.line("i", None, "stdout", "of nobody");
        assert_eq!(tail.text(), b"START\nof a\n");
        log.line("i", Some("a"), "stdout", &"x".repeat(TAIL_BYTES_MAX - 4));
        assert_eq!(tail.text().len(), TAIL_BYTES_MAX);
        assert!(tail.text().starts_with(b" a\nxxx"), "{:?}", &tail.text()[..8]);
        drop(tail);
        assert!(log.tails.lock().is_empty());
    }
}
