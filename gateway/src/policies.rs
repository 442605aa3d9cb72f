//! Policies kept as files: every `*.json` of a folder is a policy named as the file, put into the registry at start and whenever it changes.
//!
//! A file that is removed leaves its policy in the registry: certificates may be attached to it.

use access::{Policy, PolicyLimits};
use anyhow::Context;
use registry::{Operation, Registry};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the folder is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A larger file is not read.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// One file of the folder.
pub(crate) struct PolicyFile {
    path: PathBuf,
    name: String,
    document: String,
}

impl PolicyFile {
    /// What is wrong with it, with its place.
    pub(crate) fn problem(&self) -> Option<String> {
        Policy::parse(&self.name, &self.document, PolicyLimits::default())
            .err()
            .map(|error| format!("{}: {error}", self.path.display()))
    }
}

/// Reads every policy file of the folder.
pub(crate) fn read_folder(folder: &Path) -> anyhow::Result<Vec<PolicyFile>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("the folder of policies {} can't be read", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let size = std::fs::metadata(&path).with_context(|| format!("{}", path.display()))?.len();
        anyhow::ensure!(size <= FILE_BYTES_MAX, "{} is larger than a policy can be", path.display());
        let document =
            std::fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
        files.push(PolicyFile { name: name.to_string(), path: path.clone(), document });
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(files)
}

/// Keeps the registry as the folder has it.
pub(crate) struct PolicyFolder {
    folder: PathBuf,
    registry: Arc<Registry>,
    /// Documents that were refused, so that each is reported once.
    refused: HashMap<String, String>,
}

impl PolicyFolder {
    pub(crate) fn new(folder: &Path, registry: Arc<Registry>) -> Self {
        Self { folder: folder.to_path_buf(), registry, refused: HashMap::new() }
    }

    /// Looks at the folder once. Blocks. A file that is wrong is reported; the version in force stays.
    pub(crate) fn look(&mut self) {
        let files = match read_folder(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(reason = format!("{error:#}"), "policies can't be read");
                return;
            }
        };
        for file in files {
            self.take(file);
        }
    }

    fn take(&mut self, file: PolicyFile) {
        let PolicyFile { path, name, document } = file;
        let in_force = self.registry.policy(&name);
        let is_same = in_force.as_ref().is_some_and(|policy| policy.document == document);
        if is_same || self.refused.get(&name) == Some(&document) {
            return;
        }
        let is_new = in_force.is_none();
        let operation = if is_new {
            Operation::CreatePolicy { name: name.clone(), document: document.clone() }
        } else {
            Operation::UpdatePolicy { name: name.clone(), document: document.clone() }
        };
        match self.registry.apply([operation]) {
            Ok(()) => {
                self.refused.remove(&name);
                tracing::info!(policy = name, is_new, "policy in force");
            }
            Err(error) => {
                tracing::error!(file = %path.display(), in_force = !is_new, reason = %error, "policy refused");
                self.refused.insert(name, document);
            }
        }
    }

    /// Looks again and again, until the future is dropped.
    pub(crate) async fn watch(mut self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(folder) => self = folder,
                Err(_) => return,
            }
        }
    }
}
