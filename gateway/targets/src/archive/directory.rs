//! All archives, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bus::{Bus, DeclareError, DeliverySettings, TargetName};
use journal::Journal;

use super::deliver::ArchiveTarget;
use super::{Archive, ArchiveError, KIND, Settings, keep};

/// Every archive of the gateway.
#[derive(Debug, Clone, Default)]
pub struct Archives {
    archives: Arc<BTreeMap<String, Arc<Archive>>>,
}

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Events it holds; a few more when some could not be written.
    pub events: u64,
    /// When the oldest came in, milliseconds since the Unix epoch.
    pub oldest_ms: Option<u64>,
    /// When the newest came in.
    pub newest_ms: Option<u64>,
}

/// What an archive did, and the room it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Bytes on disk.
    pub bytes: u64,
    /// Events that came in since the gateway was started.
    pub archived: u64,
    /// Events that came again and were there already, since then.
    pub repeated: u64,
    /// Files given up by retention, since then.
    pub given_up_segments: u64,
}

impl Archives {
    /// Opens every archive and begins to look after them. Inside a Tokio runtime.
    ///
    /// # Errors
    /// The first that can't be opened.
    pub async fn open(declared: Vec<Settings>, source: &Journal) -> Result<Self, ArchiveError> {
        let source = source.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let open = |settings: Settings| Ok((settings.name.clone(), Archive::open(settings, &source)?));
            declared.into_iter().map(open).collect::<Result<BTreeMap<_, _>, ArchiveError>>()
        });
        let archives = opening.await.map_err(|_| ArchiveError::ShuttingDown)??;
        let all: Vec<Arc<Archive>> = archives.values().cloned().collect();
        all.iter().for_each(|archive| archive.keep());
        keep::watch(&all);
        Ok(Self { archives: Arc::new(archives) })
    }

    /// Declares an archive to the bus.
    ///
    /// # Errors
    /// The bus refuses.
    pub async fn declare(&self, bus: &Bus, name: &str, base: DeliverySettings) -> Result<(), DeclareError> {
        let Some(archive) = self.get(name) else { return Ok(()) };
        let target =
            TargetName::new(KIND, name).expect("the names of archives are checked with the settings");
        let settings = archive.delivery_settings(base);
        bus.set_target(target, Arc::new(ArchiveTarget(archive)), settings).await
    }

    /// The archive of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Archive>> {
        self.archives.get(name).cloned()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.archives.keys()
    }

    /// Every archive, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Archive>> {
        self.archives.values()
    }
}

impl Archive {
    /// What it did. Does not block.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            bytes: self.journal.bytes_on_disk(),
            archived: self.archived.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            given_up_segments: self.given_up_segments.load(Relaxed),
        }
    }

    /// What it holds. Blocks, for a few short reads.
    ///
    /// # Errors
    /// It can't be read.
    pub fn figures(&self) -> Result<Figures, ArchiveError> {
        let read = |source| ArchiveError::Read { name: self.name().to_owned(), source };
        let (oldest, end) = (self.journal.oldest(), self.journal.frontier());
        let first = self.journal.read_from(oldest).next().or_else(|error| match error {
            // It went in this moment.
            journal::ReadError::Trimmed { .. } => Ok(None),
            other => Err(read(other)),
        })?;
        let last = match end.0.checked_sub(1).map(|last| self.journal.read_at(journal::Offset(last))) {
            Some(Ok(last)) => last,
            _ => None,
        };
        Ok(Figures {
            events: end.0.saturating_sub(first.as_ref().map_or(end.0, |first| first.offset.0)),
            oldest_ms: first.map(|first| first.at_ms),
            newest_ms: last.map(|last| last.at_ms),
        })
    }
}
