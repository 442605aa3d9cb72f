//! The files of `tests/conformance/cases`, taken apart; their language is described in `tests/conformance/README.md`.

use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Statement ids by version of the standard: `3.1.1` or `5.0`.
pub(crate) type Statements = BTreeMap<String, Vec<String>>;

/// One case: a conversation and the statements it proves.
#[derive(Debug)]
pub(crate) struct Case {
    /// `file/name`
    pub(crate) name: String,
    pub(crate) statements: Statements,
    /// Played on a gateway where nobody else speaks.
    pub(crate) alone: bool,
    lines: Vec<(usize, String)>,
}

impl Case {
    /// The lines for a version of the protocol (4 or 5), with their numbers.
    pub(crate) fn lines(&self, version: u8) -> impl Iterator<Item = (usize, &str)> {
        let (ours, theirs) = if version == 5 { ("v5 ", "v4 ") } else { ("v4 ", "v5 ") };
        let lines = self.lines.iter().filter(move |(_, line)| !line.starts_with(theirs));
        lines.map(move |(number, line)| (*number, line.strip_prefix(ours).unwrap_or(line)))
    }

    /// The versions it is played in: those that it names statements of.
    pub(crate) fn versions(&self) -> Vec<u8> {
        self.statements.keys().map(|standard| if standard == "5.0" { 5 } else { 4 }).collect()
    }

    /// How long it lets time pass.
    pub(crate) fn waits(&self) -> Duration {
        self.lines.iter().filter_map(|(_, line)| span(line.strip_prefix('+')?).ok()).sum()
    }
}

/// `3s` or `200ms`.
///
/// # Errors
/// When it is neither.
pub(crate) fn span(text: &str) -> anyhow::Result<Duration> {
    if let Some(number) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(number.parse()?));
    }
    let number = text.strip_suffix('s').with_context(|| format!("`{text}` is no time"))?;
    Ok(Duration::from_secs(number.parse()?))
}

/// Every case of the folder.
///
/// # Errors
/// Which file or line is wrong.
pub(crate) fn load(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        let file = path.file_stem().and_then(|stem| stem.to_str()).context("a file has a name")?.to_owned();
        let text = std::fs::read_to_string(&path)?;
        cases.extend(parse(&file, &text).with_context(|| format!("{}", path.display()))?);
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(cases)
}

/// Lines that are played once for each of some words.
struct Each {
    words: Vec<String>,
    lines: Vec<(usize, String)>,
}

impl Each {
    fn unrolled(&self) -> impl Iterator<Item = (usize, String)> {
        let line = |word: &str, (number, line): &(usize, String)| (*number, line.replace("{}", word));
        self.words.iter().flat_map(move |word| self.lines.iter().map(move |numbered| line(word, numbered)))
    }
}

fn parse(file: &str, text: &str) -> anyhow::Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    let mut each: Option<Each> = None;
    for (at, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("== ") {
            let name = title.split(':').next().unwrap_or_default().trim();
            let legal = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            ensure!(legal && !name.is_empty(), "line {}: `{name}` is no name of a case", at + 1);
            let name = format!("{file}/{name}");
            ensure!(cases.iter().all(|case| case.name != name), "line {}: `{name}` is there twice", at + 1);
            cases.push(Case { name, statements: Statements::new(), alone: false, lines: Vec::new() });
            continue;
        }
        let line = line.split(" # ").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let case = cases.last_mut().with_context(|| format!("line {}: before any case", at + 1))?;
        match line.split_once(' ') {
            Some((standard @ ("3.1.1" | "5.0"), ids)) => {
                let ids = ids.split_whitespace().map(str::to_owned);
                case.statements.entry(standard.to_owned()).or_default().extend(ids);
            }
            Some(("each", words)) => {
                let words = words.split_whitespace().map(str::to_owned).collect();
                ensure!(each.is_none(), "line {}: `each` within `each`", at + 1);
                each = Some(Each { words, lines: Vec::new() });
            }
            _ if line == "end" => {
                let each = each.take().with_context(|| format!("line {}: `end` without `each`", at + 1))?;
                case.lines.extend(each.unrolled());
            }
            _ if line == "alone" => case.alone = true,
            _ => {
                let lines = each.as_mut().map_or(&mut case.lines, |each| &mut each.lines);
                lines.push((at + 1, line.to_owned()));
            }
        }
    }
    ensure!(each.is_none(), "`each` without `end`");
    Ok(cases)
}
