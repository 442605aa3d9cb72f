//! The descriptor files that rules decode Protocol Buffers by: found in a folder, read again when they change.
//!
//! The file `{bucket}/{key}` below the folder is the one that a rule calls by these names. One that is broken is told, and
//! the version before it stays in force.

use super::Fault;
use super::folder::Stamp;
use rules::{DESCRIPTOR_BYTES_MAX, Descriptors};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most descriptor files.
const FILES_MAX: usize = 256;

/// The most bytes of all of them.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// How deep folders may stand inside each other.
const DEPTH_MAX: usize = 8;

/// Bucket and key.
type Name = (String, String);

/// The files as last seen.
#[derive(Debug, Default)]
pub(super) struct DescriptorFiles {
    folder: Option<PathBuf>,
    /// What tells that nothing changed; nothing as long as that can't be told.
    seen: Option<BTreeMap<Name, (PathBuf, Stamp)>>,
    /// The last good bytes of each.
    good: BTreeMap<Name, Vec<u8>>,
    in_force: Arc<Descriptors>,
    pub(super) faults: Vec<Fault>,
}

impl DescriptorFiles {
    /// The files of a folder, not looked at yet; of no folder none.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// What rules may name; nothing without a folder.
    pub(super) fn in_force(&self) -> Option<Arc<Descriptors>> {
        self.folder.as_ref().map(|_| Arc::clone(&self.in_force))
    }

    /// Looks at the folder; whether other descriptors are in force than before. If it can't be read, all stays as it is.
    pub(super) fn look(&mut self) -> bool {
        let Some(folder) = self.folder.clone() else { return false };
        let found = match scan(&folder) {
            Ok(found) => found,
            Err(fault) => {
                self.faults = vec![fault];
                self.seen = None;
                return false;
            }
        };
        if self.seen.as_ref() == Some(&found) {
            return false;
        }
        let is_settled = found.values().all(|(_, stamp)| stamp.is_settled());
        let changes = self.read(&folder, &found);
        self.seen = is_settled.then_some(found);
        changes
    }

    fn read(&mut self, folder: &Path, found: &BTreeMap<Name, (PathBuf, Stamp)>) -> bool {
        self.faults.clear();
        let (mut descriptors, mut good, mut left) = (Descriptors::new(), BTreeMap::new(), BYTES_MAX);
        for ((bucket, key), (file, _)) in found {
            let name = (bucket.clone(), key.clone());
            let bytes = match usable(file, bucket, key, &mut descriptors) {
                Ok(bytes) => bytes,
                Err(fault) => {
                    self.faults.push(fault);
                    let Some(before) = self.good.remove(&name) else { continue };
                    // It was good when it came in force.
                    let _ = descriptors.add(bucket, key, &before);
                    before
                }
            };
            let Some(rest) = left.checked_sub(bytes.len()) else {
                let message = format!("descriptor files have more than {BYTES_MAX} bytes together");
                self.faults =
                    vec![Fault::of_file(folder, message).with_hint("remove those that no rule names")];
                return false;
            };
            left = rest;
            good.insert(name, bytes);
        }
        self.good = good;
        let changes = *self.in_force != descriptors;
        self.in_force = Arc::new(descriptors);
        changes
    }
}

/// The bytes of a file that could be added.
fn usable(file: &Path, bucket: &str, key: &str, descriptors: &mut Descriptors) -> Result<Vec<u8>, Fault> {
    let unreadable = |error: std::io::Error| Fault::of_file(file, format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    // The file may have grown since its size was looked at.
    let mut bounded = fs::File::open(file).map_err(unreadable)?.take(DESCRIPTOR_BYTES_MAX as u64 + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    descriptors.add(bucket, key, &bytes).map_err(|error| Fault::of_file(file, error.to_string()))?;
    Ok(bytes)
}

/// Every file below the folder of a bucket.
fn scan(folder: &Path) -> Result<BTreeMap<Name, (PathBuf, Stamp)>, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::of_file(folder, format!("the folder of descriptor files cannot be read: {error}"))
            .with_hint("make the folder, or name the right one in the settings")
    };
    let mut found = BTreeMap::new();
    let mut left = vec![(folder.to_path_buf(), 0)];
    while let Some((next, depth)) = left.pop() {
        for entry in fs::read_dir(&next).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Ok(metadata) = fs::metadata(&path) else { continue };
            match (name.starts_with('.'), metadata.is_dir(), metadata.is_file()) {
                (true, ..) => {}
                (_, true, _) if depth < DEPTH_MAX => left.push((path, depth + 1)),
                (_, _, true) if depth > 0 => {
                    if let Some(name) = name_below(folder, &path) {
                        found.insert(name, (path, Stamp::of(&metadata)));
                    }
                }
                _ => {}
            }
            if found.len() > FILES_MAX {
                let message = format!("there are more than {FILES_MAX} descriptor files");
                return Err(Fault::of_file(folder, message).with_hint("remove those that no rule names"));
            }
        }
    }
    Ok(found)
}

/// The first folder is the bucket, what follows the key.
fn name_below(folder: &Path, file: &Path) -> Option<Name> {
    let parts: Option<Vec<&str>> = file.strip_prefix(folder).ok()?.iter().map(|part| part.to_str()).collect();
    let parts = parts?;
    let (bucket, key) = parts.split_first()?;
    Some(((*bucket).to_owned(), key.join("/")))
}
