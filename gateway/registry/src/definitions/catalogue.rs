//! The definitions as last seen: which version of each is in force, and what is wrong with its file.
//!
//! Generic over the compiled form, so that what happens on a change can be seen without the rules.

use super::folder::{Found, FoundState, Kind, Stamp, scan};
use super::{Fault, Limits};
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A file may be written twice within one tick of the file system's clock; a stamp is trusted once it is this old.
const STAMP_SETTLES: Duration = Duration::from_secs(2);

/// Makes the compiled form from a rule's name, its file and the file's text.
pub(crate) type Compile<'a, R> = dyn Fn(&str, &Path, &str) -> Result<R, Vec<Fault>> + 'a;

/// How to take a definition that has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Remove it now.
    AtOnce,
    /// Remove it when the next look does not find it either: an editor may be replacing the file.
    WhenConfirmed,
}

/// One definition.
#[derive(Debug)]
pub(crate) struct Entry<R> {
    pub(crate) file: PathBuf,
    /// The last version that compiled.
    pub(crate) good: Option<Arc<R>>,
    /// What is wrong with the file as it is now; empty when it is `good`.
    pub(crate) faults: Vec<Fault>,
    seen: Seen,
}

/// What the file was when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Content { stamp: Stamp, settled: bool, digest: u64 },
    Unusable,
    Missing,
}

/// What one look at the folder found, by the names of rules, or of subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// In force for the first time.
    pub added: Vec<String>,
    /// In force in a new version.
    pub changed: Vec<String>,
    /// No longer in force.
    pub removed: Vec<String>,
    /// Refused just now; the last good version, if there was one, is still in force.
    pub refused: Vec<String>,
}

impl Reload {
    /// Whether others are in force than before.
    pub fn changes_rules(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }
}

#[derive(Debug)]
pub(crate) struct Catalogue<R> {
    kind: Kind,
    pub(crate) entries: BTreeMap<String, Entry<R>>,
    /// What is wrong with the folder, or with entries of it that cannot be rules.
    pub(crate) folder_faults: Vec<Fault>,
}

impl<R> Catalogue<R> {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, entries: BTreeMap::new(), folder_faults: Vec::new() }
    }

    /// Has every definition compiled again at the next look: what it is compiled with has changed.
    pub(crate) fn forget_contents(&mut self) {
        for entry in self.entries.values_mut().filter(|entry| entry.seen != Seen::Missing) {
            entry.seen = Seen::Unusable;
        }
    }

    /// Looks at the folder and takes over what changed. If the folder cannot be read, everything stays as it is.
    pub(crate) fn reload(
        &mut self,
        folder: &Path,
        limits: Limits,
        removal: Removal,
        compile: &Compile<R>,
    ) -> Reload {
        let mut reload = Reload::default();
        let found = match scan(folder, self.kind, limits) {
            Ok((found, faults)) => {
                self.folder_faults = faults;
                found
            }
            Err(fault) => {
                self.folder_faults = vec![fault];
                return reload;
            }
        };
        self.remove_missing(&found, removal, &mut reload);
        for (name, found) in found {
            self.look_at(name, found, limits, compile, &mut reload);
        }
        reload
    }

    fn remove_missing(&mut self, found: &BTreeMap<String, Found>, removal: Removal, reload: &mut Reload) {
        self.entries.retain(|name, entry| {
            if found.contains_key(name) {
                return true;
            }
            if removal == Removal::WhenConfirmed && entry.seen != Seen::Missing {
                entry.seen = Seen::Missing;
                return true;
            }
            if entry.good.is_some() {
                reload.removed.push(name.clone());
            }
            false
        });
    }

    fn look_at(
        &mut self,
        name: String,
        found: Found,
        limits: Limits,
        compile: &Compile<R>,
        reload: &mut Reload,
    ) {
        let (seen, outcome) = match self.read_if_changed(&name, &found, limits) {
            Read::Unchanged => return,
            Read::Unusable(fault) => (Seen::Unusable, Err(vec![fault])),
            Read::Changed(seen, text) => (seen, compile(&name, &found.file, &text)),
        };
        let entry = self.entries.entry(name.clone());
        let entry =
            entry.or_insert_with(|| Entry { file: PathBuf::new(), good: None, faults: Vec::new(), seen });
        entry.file = found.file;
        entry.seen = seen;
        match outcome {
            Ok(good) => {
                let list = if entry.good.is_some() { &mut reload.changed } else { &mut reload.added };
                list.push(name);
                entry.good = Some(Arc::new(good));
                entry.faults.clear();
            }
            Err(faults) if entry.faults == faults => {}
            Err(faults) => {
                entry.faults = faults;
                reload.refused.push(name);
            }
        }
    }

    fn read_if_changed(&mut self, name: &str, found: &Found, limits: Limits) -> Read {
        let stamp = match &found.state {
            FoundState::File(stamp) => *stamp,
            FoundState::Unusable(fault) => return Read::Unusable(fault.clone()),
        };
        let known = self.entries.get_mut(name).filter(|entry| entry.file == found.file);
        if let Some(Entry { seen: Seen::Content { stamp: before, settled: true, .. }, .. }) = known
            && *before == stamp
        {
            return Read::Unchanged;
        }
        let text = match read(&found.file, limits) {
            Ok(text) => text,
            Err(fault) => return Read::Unusable(fault),
        };
        let now = Seen::Content { stamp, settled: stamp.is_settled(), digest: digest(&text) };
        match known {
            Some(entry) if entry.seen.digest() == now.digest() => {
                entry.seen = now;
                Read::Unchanged
            }
            _ => Read::Changed(now, text),
        }
    }
}

/// What reading a definition anew came to.
enum Read {
    Unchanged,
    Changed(Seen, String),
    Unusable(Fault),
}

impl Seen {
    /// The digest of the content, which is the same for as long as it need not be compiled again.
    fn digest(self) -> Option<u64> {
        match self {
            Self::Content { digest, .. } => Some(digest),
            Self::Unusable | Self::Missing => None,
        }
    }
}

impl Stamp {
    pub(crate) fn is_settled(&self) -> bool {
        let age = self.modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        age.is_some_and(|age| age >= STAMP_SETTLES)
    }
}

fn read(file: &Path, limits: Limits) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::of_file(file, format!("cannot be read: {error}"))
            .with_hint("it must be readable, and UTF-8 text")
    };
    let mut text = String::new();
    // The file may have grown since its size was looked at.
    let mut bounded = File::open(file).map_err(unreadable)?.take(limits.definition_bytes_max + 1);
    bounded.read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits.definition_bytes_max {
        return Err(Fault::of_file(file, format!("has more than {} bytes", limits.definition_bytes_max)));
    }
    Ok(text)
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
