//! `iot-gateway rules test`: runs the cases of definitions, and files of vectors.

use super::output;
use anyhow::{Context, ensure};
use clap::Args;
use rules::cases;
use rules::definition::Definition;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Definitions (a folder with rule.toml and cases.jsonl), folders of them, or .jsonl files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut suites = Vec::new();
    for path in &arguments.paths {
        find_suites(path, &mut suites)?;
    }
    ensure!(!suites.is_empty(), "nothing to test there: no rule.toml and no .jsonl file");
    let (mut passed, mut failed) = (0, 0);
    for suite in &suites {
        let report = run_suite(suite)?;
        passed += report.passed;
        failed += report.failures.len();
        for failure in report.failures {
            output::line(format!(
                "{}:{}: {}\n{}",
                suite.cases.display(),
                failure.line,
                failure.id,
                failure.difference
            ));
        }
    }
    output::line(format!("{passed} passed, {failed} failed"));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file of cases, and the definition they are about if there is one.
struct Suite {
    definition: Option<PathBuf>,
    cases: PathBuf,
}

fn find_suites(path: &Path, suites: &mut Vec<Suite>) -> anyhow::Result<()> {
    let read = || format!("{} can't be read", path.display());
    if path.is_file() {
        suites.push(Suite { definition: None, cases: path.to_path_buf() });
        return Ok(());
    }
    let definition = path.join("rule.toml");
    if definition.is_file() {
        suites.push(Suite { definition: Some(definition), cases: path.join("cases.jsonl") });
        return Ok(());
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(read)?;
    folders.sort();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        find_suites(&folder, suites)?;
    }
    Ok(())
}

fn run_suite(suite: &Suite) -> anyhow::Result<cases::Report> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))
    };
    let Some(file) = &suite.definition else { return Ok(cases::run(&read(&suite.cases)?, None)) };
    let text = read(file)?;
    let name = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("rule");
    let definition = Definition::parse(name, &file.to_string_lossy(), &text)
        .map_err(|errors| anyhow::anyhow!("{}", errors.render(&text)))?;
    Ok(cases::run(&read(&suite.cases)?, Some(&definition)))
}
