//! Finds the definitions of a folder, those of rules or those of subscriptions. Knows names and files, and not what is in them.

use super::{Fault, Limits};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rule,
    Subscription,
}

/// What the file of a subscription ends with when it has no folder of its own.
const SUBSCRIPTION_SUFFIX: &str = ".subscription.toml";

impl Kind {
    /// The file in a definition's own folder.
    fn file(self) -> &'static str {
        match self {
            Self::Rule => "rule.toml",
            Self::Subscription => "subscription.toml",
        }
    }

    /// The kind in words.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Subscription => "subscription",
        }
    }

    /// The name that a file outside a folder of its own gives, if it is of the kind.
    fn name_of(self, file: &str) -> Option<&str> {
        let subscription = file.strip_suffix(SUBSCRIPTION_SUFFIX);
        match self {
            Self::Rule if subscription.is_some() => None,
            Self::Rule => file.strip_suffix(".toml"),
            Self::Subscription => subscription,
        }
    }
}

/// A definition that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) file: PathBuf,
    pub(crate) state: FoundState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoundState {
    /// Can be read.
    File(Stamp),
    /// Cannot be used, and why. It counts as there, so that a definition is not lost while its file is being replaced.
    Unusable(Fault),
}

/// What tells that a file was written to without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) modified: Option<SystemTime>,
    pub(crate) bytes: u64,
}

/// Every definition of the folder by name, and what is wrong with entries that have no legal name.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn scan(
    folder: &Path,
    kind: Kind,
    limits: Limits,
) -> Result<(BTreeMap<String, Found>, Vec<Fault>), Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::of_file(folder, format!("the folder of rule definitions cannot be read: {error}"))
            .with_hint("make the folder, or name the right one in the settings")
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    paths.sort();
    let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
    for path in paths {
        let Some((name, file)) = definition_at(&path, kind) else { continue };
        if !is_legal(&name) {
            faults.push(
                Fault::of_file(&path, format!("`{name}` cannot be the name of a {}", kind.word()))
                    .with_hint("use 1 to 128 of A-Z, a-z, 0-9, `_` and `-`"),
            );
            continue;
        }
        add(&mut found, name, file, kind, limits);
    }
    if found.len() > limits.rules_max {
        let message = format!(
            "there are {} {} definitions, the limit is {}",
            found.len(),
            kind.word(),
            limits.rules_max
        );
        return Err(Fault::of_file(folder, message).with_hint("remove some, or raise `rules_max`"));
    }
    Ok((found, faults))
}

fn add(found: &mut BTreeMap<String, Found>, name: String, file: PathBuf, kind: Kind, limits: Limits) {
    let state = match found.get(&name) {
        None => state_of(&file, kind, limits),
        Some(first) => {
            let message =
                format!("{} `{name}` is defined twice, here and in `{}`", kind.word(), first.file.display());
            FoundState::Unusable(Fault::of_file(&file, message).with_hint("remove or rename one of the two"))
        }
    };
    found.insert(name, Found { file, state });
}

/// Name and file of the definition that an entry of the folder is, if it is one. A folder may hold a rule and a subscription; one that holds
/// neither is a rule whose file is missing.
fn definition_at(path: &Path, kind: Kind) -> Option<(String, PathBuf)> {
    let text = path.file_name()?.to_string_lossy();
    if text.starts_with('.') {
        return None;
    }
    if path.is_dir() {
        let (file, other) = (path.join(kind.file()), path.join(Kind::Subscription.file()));
        let is_there = match kind {
            Kind::Rule => file.exists() || !other.exists(),
            Kind::Subscription => file.exists(),
        };
        return is_there.then(|| (text.into_owned(), file));
    }
    kind.name_of(&text).map(|name| (name.to_owned(), path.to_path_buf()))
}

fn is_legal(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=128).contains(&name.len()) && name.bytes().all(legal)
}

fn state_of(file: &Path, kind: Kind, limits: Limits) -> FoundState {
    let unusable =
        |message: String, hint: &str| FoundState::Unusable(Fault::of_file(file, message).with_hint(hint));
    match fs::metadata(file) {
        // Opening a pipe would wait for its other end.
        Ok(metadata) if !metadata.is_file() => {
            unusable("is not a file".to_owned(), &format!("put a file with the {} there", kind.word()))
        }
        Ok(metadata) if metadata.len() > limits.definition_bytes_max => unusable(
            format!("has {} bytes, the limit is {}", metadata.len(), limits.definition_bytes_max),
            &format!("make the {} shorter, or raise `definition_bytes_max`", kind.word()),
        ),
        Ok(metadata) => FoundState::File(Stamp::of(&metadata)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => unusable(
            format!("`{}` is missing", kind.file()),
            &format!("put the {} there, or remove the folder", kind.word()),
        ),
        Err(error) => unusable(format!("cannot be read: {error}"), "check the permissions"),
    }
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), bytes: metadata.len() }
    }
}
