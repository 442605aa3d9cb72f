//! `iot-gateway rules test`: runs the cases of definitions, and files of vectors.

mod find;
mod lines;
mod show;

use super::output;
use clap::Args;
use find::{Found, find};
use rules::Capabilities;
use rules::cases::{self, Report};
use rules::definition::Definition;
use serde::Serialize;
use show::Progress;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Failures that are kept for `--json`; more are only counted.
const FAILURES_MAX: usize = 10_000;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  iot-gateway rules test rules/definitions\n  \
    iot-gateway rules test vectors.jsonl --filter fn-substring\n  \
    make-vectors | iot-gateway rules test -\n\n\
    Ends with `N passed, M failed`, and with status 0 only if none failed. How cases are written: rules/TESTING.md.")]
pub(super) struct Arguments {
    /// Definitions (a folder with rule.toml and cases.jsonl), folders of them, .jsonl files, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Run only cases whose id contains this
    #[arg(long, value_name = "ID")]
    filter: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut tally = Tally { json: arguments.json, ..Tally::default() };
    for path in &arguments.paths {
        for found in find(path) {
            match found {
                Found::Cases { file, definition } => {
                    run_file(&file, definition.as_deref(), arguments, &mut tally);
                }
                Found::Unusable { path, reason } => tally.unusable(&path, reason),
                Found::Untested { definition } => tally.untested(&definition),
            }
        }
    }
    tally.finish(arguments.filter.as_deref())
}

/// Runs one file. What can't be read is a failure like any other, so that the rest is still run and counted.
fn run_file(file: &Path, definition: Option<&Path>, arguments: &Arguments, tally: &mut Tally) {
    let definition = match definition.map(load).transpose() {
        Ok(definition) => definition,
        Err(reason) => return tally.unusable(file, reason),
    };
    let suite = cases::Suite { definition: definition.as_ref(), filter: arguments.filter.as_deref() };
    let outcome = if file == Path::new("-") {
        run_lines(file, suite, std::io::stdin().lock(), 0, tally)
    } else {
        std::fs::File::open(file).and_then(|opened| {
            let bytes = opened.metadata()?.len();
            run_lines(file, suite, std::io::BufReader::new(opened), bytes, tally)
        })
    };
    match outcome {
        Ok(0) if arguments.filter.is_none() => tally.unusable(file, "holds no case".to_string()),
        Ok(_) => {}
        Err(error) => tally.unusable(file, format!("can't be read: {error}")),
    }
}

/// Runs the cases of a file of this many bytes, 0 if nobody knows; says how many there were.
fn run_lines(
    file: &Path,
    suite: cases::Suite<'_>,
    reader: impl BufRead,
    bytes: u64,
    tally: &mut Tally,
) -> std::io::Result<usize> {
    let mut progress = Progress::new(bytes);
    let mut count = 0;
    for line in lines::lines(reader, cases::LINE_BYTES_MAX) {
        let line = line?;
        let verdict = match line.text {
            Some(text) => suite.run_line(line.number, text.as_slice()),
            None => Some(cases::Verdict::too_long(line.number)),
        };
        if let Some(verdict) = verdict {
            count += 1;
            tally.add(file, line.number, verdict);
        }
        progress.reached(line.end, tally.passed, tally.failed);
    }
    Ok(count)
}

/// Reads and compiles a definition.
pub(super) fn load(file: &Path) -> Result<Definition, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("can't be read: {error}"))?;
    let name = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("rule");
    // Who answers in the end is a matter of the settings; here the fixtures of the cases do.
    Definition::parse_for(name, &file.to_string_lossy(), &text, &Capabilities::all())
        .map_err(|errors| errors.render(&text))
}

/// What came of everything so far.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    passed: usize,
    failed: usize,
    failures: Vec<Failed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
    #[serde(skip)]
    json: bool,
}

/// A failure and the file it is in.
#[derive(Debug, Serialize)]
struct Failed {
    file: PathBuf,
    #[serde(flatten)]
    failure: cases::Failure,
}

impl Tally {
    fn add(&mut self, file: &Path, line: usize, verdict: cases::Verdict) {
        let mut report = Report::default();
        report.add(line, verdict);
        self.passed += report.passed;
        for (line, remark) in report.remarks {
            self.remark(format!("{}:{line}: {remark}", file.display()));
        }
        for failure in report.failures {
            self.fail(file, failure);
        }
    }

    fn fail(&mut self, file: &Path, failure: cases::Failure) {
        self.failed += 1;
        if !self.json {
            output::line(show::failure(file, &failure));
        } else if self.failures.len() < FAILURES_MAX {
            self.failures.push(Failed { file: file.to_path_buf(), failure });
        }
    }

    /// A file that gives no verdict on anything.
    fn unusable(&mut self, path: &Path, reason: String) {
        self.fail(path, cases::Failure::because(reason));
    }

    fn untested(&mut self, definition: &Path) {
        match load(definition) {
            Ok(_) => self.remark(format!(
                "{}: no cases.jsonl beside it, so it was only compiled",
                definition.display()
            )),
            Err(reason) => self.unusable(definition, reason),
        }
    }

    fn remark(&mut self, text: String) {
        if !self.json {
            output::remark(text);
        } else if self.remarks.len() < FAILURES_MAX {
            self.remarks.push(text);
        }
    }

    fn finish(mut self, filter: Option<&str>) -> anyhow::Result<ExitCode> {
        let nothing = self.passed + self.failed == 0;
        if nothing {
            let which = filter.map_or(String::new(), |filter| format!(" with `{filter}` in its id"));
            self.remark(format!("there is no case{which}"));
        }
        if self.json {
            output::json(&self)?;
        } else {
            output::line(format!("{} passed, {} failed", self.passed, self.failed));
        }
        Ok(if self.failed == 0 && !nothing { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
