//! Reads a scenario from TOML and the files that it names. Every mistake is found, not only the first.

mod csv;
mod faults;
mod fleet;
mod outcome;
mod payload;
mod problem;
mod publication;
mod section;
mod server;
mod set;
mod signal;
mod stages;
mod tables;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use problem::{Problem, Problems};
use section::{Section, Span};

use super::{Scenario, Stages};

/// The longest scenario.
const SCENARIO_BYTES_MAX: usize = 1024 * 1024;
/// The longest file that a scenario names.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest time in a scenario: some three years.
const SECS_MAX: f64 = 1e8;
/// The longest name, topic or other text.
const TEXT_BYTES_MAX: usize = 4096;

type Value<'t> = Spanned<DeValue<'t>>;

/// How files are read: from the disk, or from memory in tests.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

impl Scenario {
    /// Reads a scenario's file, with settings `KEY=VALUE` that replace what it says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, settings: &[String]) -> Result<Self, Problems> {
        let refuse = |message: String| Problems::of_file(path, message);
        let bytes = read_bounded(path, SCENARIO_BYTES_MAX)
            .map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not text in UTF-8".to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::read(&path.display().to_string(), folder, &text, settings, &read_file)
    }

    /// Reads a scenario's text. Files that it names are looked for from `folder`, those that settings name from the
    /// working directory.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        name: &str,
        folder: &Path,
        text: &str,
        settings: &[String],
        files: ReadFile<'_>,
    ) -> Result<Self, Problems> {
        let reader = Reader { name, folder, text, settings, files, problems: RefCell::default() };
        let scenario = reader.scenario();
        let mut problems = reader.problems.into_inner();
        match scenario {
            Some(scenario) if problems.is_empty() => Ok(scenario),
            _ => {
                problems.sort_by_key(|(start, _)| *start);
                Err(Problems(problems.into_iter().map(|(_, problem)| problem).collect()))
            }
        }
    }
}

/// Reads a file from the disk, for [`Scenario::read`].
///
/// # Errors
/// When it can't be read or is too large.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(path, FILE_BYTES_MAX)
}

fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// What is being read, and what is wrong with it so far.
struct Reader<'r> {
    name: &'r str,
    folder: &'r Path,
    text: &'r str,
    settings: &'r [String],
    files: ReadFile<'r>,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl Reader<'_> {
    fn scenario(&self) -> Option<Scenario> {
        if self.text.len() > SCENARIO_BYTES_MAX {
            self.refuse(0..0, format!("a scenario has at most {SCENARIO_BYTES_MAX} bytes"));
            return None;
        }
        let mut table = match DeTable::parse(self.text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let message = error.message().lines().next().unwrap_or("not TOML");
                self.refuse(error.span().unwrap_or(0..0), message.to_owned());
                return None;
            }
        };
        for (number, setting) in self.settings.iter().enumerate() {
            // Its place is behind the text, so that a mistake in it is told as a mistake of the command line.
            let place = self.text.len() + 1 + number;
            if let Err(message) = set::apply(&mut table, setting, place) {
                self.refuse(place..place, message);
            }
        }
        let section = Section::new(self, &table, 0..0, "a scenario");
        let scenario = self.whole(&section);
        section.finish();
        scenario
    }

    fn whole(&self, section: &Section<'_, '_>) -> Option<Scenario> {
        if let Some((version, span)) = section.whole("version", 0..=u64::MAX)
            && version != 1
        {
            self.refuse(
                span,
                format!("version {version} of scenarios is unknown; this program reads version 1"),
            );
        }
        let default_name =
            Path::new(self.name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
        let name = section.text("name").map_or(default_name, |(text, _)| text.to_owned());
        let seed = section.whole("seed", 0..=i64::MAX as u64).map_or(1, |(seed, _)| seed);
        let ends_after = section.secs("secs");
        let drain = section.secs("drain_secs").unwrap_or(Duration::from_secs(10));
        let (server, defaults) = server::read(section);
        let fleets = fleet::read_all(section, &server, defaults);
        let stages = Arc::new(Stages::new(stages::read(section)));
        let names: Vec<&str> = fleets.iter().map(|fleet| &*fleet.name).collect();
        let faults = faults::read_all(section, &names, &fleets, &server);
        let hooks = stages::read_hooks(section);
        let read_back = outcome::read_back(section);
        let thresholds = outcome::thresholds(section);
        Some(Scenario {
            name,
            seed,
            ends_after,
            drain,
            server,
            fleets: fleets.into_iter().map(Arc::new).collect(),
            stages,
            faults,
            hooks,
            read_back,
            thresholds,
        })
    }

    /// Something is wrong at a place.
    fn refuse(&self, span: Span, message: impl Into<String>) {
        let place = problem::Place::of(self.name, self.text, self.settings, span.start);
        self.problems.borrow_mut().push((span.start, Problem { place, message: message.into() }));
    }

    /// Something is wrong with a file that is named at a place.
    fn refuse_file(&self, span: Span, path: &Path, line: Option<usize>, message: impl Into<String>) {
        let place = problem::Place::File { name: path.display().to_string(), line };
        self.problems.borrow_mut().push((span.start, Problem { place, message: message.into() }));
    }

    /// Where a file is that was named at a place.
    fn path(&self, name: &str, span: Span) -> PathBuf {
        if span.start > self.text.len() { PathBuf::from(name) } else { self.folder.join(name) }
    }

    /// The text of a file that was named at a place.
    fn file(&self, name: &str, span: Span, what: &str) -> Option<(PathBuf, String)> {
        let path = self.path(name, span.clone());
        let bytes = match (self.files)(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.refuse(span, format!("cannot read {what} `{}`: {error}", path.display()));
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some((path, text)),
            Err(_) => {
                self.refuse(span, format!("{what} `{}` is not text in UTF-8", path.display()));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
