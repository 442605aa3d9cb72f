//! What opening a journal does: find the segments, decide where each ends, cut a torn tail, report damage.
//!
//! The rules are in [`crate::format`], "Reading it back". The order of work matters: nothing is changed on disk before every
//! header was read, so that a directory of a newer version is left as it is.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::error::OpenError;
use crate::format::{
    FORMAT_VERSION, FRAME_HEADER_BYTES, HeaderError, Offset, SEGMENT_HEADER_BYTES, Seed, SegmentHeader,
};
use crate::frames::{CHUNK_BYTES, Found, Frames};
use crate::index::SparseIndex;
use crate::maintenance::{Spare, ignore_missing};
use crate::segment::{
    DAMAGED_SUFFIX, INDEX_SUFFIX, SEGMENT_SUFFIX, SPARE_SUFFIX, Segment, file_name, file_number,
};
use crate::settings::Settings;
use crate::stats::{Damage, Recovery};
use crate::storage::{Storage, StorageFile, read_up_to, write_all_at};

/// Offsets passed over when the tail was not whole, so that no offset that was handed out before the crash is handed out again. More
/// than fit in the largest queue.
const OFFSETS_PASSED_OVER: u64 = 1 << 26;

/// What the journal starts from.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    /// One past the last record.
    pub(crate) end: Offset,
    pub(crate) identity: u64,
    pub(crate) segments: VecDeque<Arc<Segment>>,
    pub(crate) retired: VecDeque<Arc<Segment>>,
    pub(crate) sealed: VecDeque<Arc<Segment>>,
    pub(crate) spares: Vec<Spare>,
    pub(crate) next_file_number: u64,
    /// Time of the last record.
    pub(crate) last_ms: u64,
}

/// A segment file as found.
struct Candidate {
    number: u64,
    file: Arc<dyn StorageFile>,
    file_bytes: u64,
    header: Option<SegmentHeader>,
}

/// What reading a segment from one end to the other found.
#[derive(Debug, Default)]
struct Scan {
    end: u32,
    /// How far the segment says that it was fsynced.
    durable_to: u32,
    first_offset: Option<Offset>,
    index: SparseIndex,
    damage: Vec<Damage>,
    torn_bytes: u64,
}

/// Reads the directory and makes it ready.
pub(crate) fn recover(storage: &Arc<dyn Storage>, settings: &Settings) -> Result<Recovered, OpenError> {
    let names = storage.list().map_err(|source| failed("list", storage.describe(""), source))?;
    let candidates = read_headers(storage, &names)?;
    let identity = candidates.values().find_map(|candidate| Some(candidate.header.as_ref()?.identity));
    let highest = names.iter().filter_map(|name| any_number(name)).max().unwrap_or(0);
    let mut opening = Opening {
        storage,
        settings,
        identity: identity.unwrap_or_else(random_identity),
        recovery: Recovery::default(),
        segments: VecDeque::new(),
        retired: VecDeque::new(),
        last_offset: None,
        last_is_doubtful: false,
        last_durable_to: SEGMENT_HEADER_BYTES as u32,
        sealed: VecDeque::new(),
    };
    if identity.is_none() {
        opening.set_aside(candidates)?;
    } else {
        opening.take_segments(candidates)?;
    }
    let spares = opening.take_spares(&names)?;
    opening.finish(spares, highest + 1)
}

fn read_headers(storage: &Arc<dyn Storage>, names: &[String]) -> Result<BTreeMap<u64, Candidate>, OpenError> {
    let mut candidates = BTreeMap::new();
    for name in names {
        let Some(number) = file_number(name, SEGMENT_SUFFIX) else { continue };
        let describe = || storage.describe(name);
        let file = storage.open(name).map_err(|source| failed("open", describe(), source))?;
        let file_bytes = file.bytes().map_err(|source| failed("examine", describe(), source))?;
        let mut bytes = [0; 64];
        let read = read_up_to(file.as_ref(), &mut bytes, 0);
        let read = read.map_err(|source| failed("read", describe(), source))?;
        let header = match SegmentHeader::decode(&bytes[..read]) {
            Ok(header) => (header.number == number).then_some(header),
            Err(HeaderError::Damaged) => None,
            Err(HeaderError::UnknownVersion(version)) => {
                return Err(OpenError::UnknownVersion {
                    file: describe(),
                    version,
                    supported: FORMAT_VERSION,
                });
            }
        };
        candidates.insert(number, Candidate { number, file, file_bytes, header });
    }
    Ok(candidates)
}

/// The journal while it is being opened.
struct Opening<'a> {
    storage: &'a Arc<dyn Storage>,
    settings: &'a Settings,
    identity: u64,
    recovery: Recovery,
    segments: VecDeque<Arc<Segment>>,
    retired: VecDeque<Arc<Segment>>,
    last_offset: Option<Offset>,
    /// Whether the last segment may have held more than was found.
    last_is_doubtful: bool,
    /// How far the last segment says that it was fsynced.
    last_durable_to: u32,
    /// Segments without an index file.
    sealed: VecDeque<Arc<Segment>>,
}

impl Opening<'_> {
    /// Without any header nobody knows what the frames were written with. Nothing is deleted.
    fn set_aside(&mut self, candidates: BTreeMap<u64, Candidate>) -> Result<(), OpenError> {
        for candidate in candidates.into_values() {
            let name = file_name(candidate.number, SEGMENT_SUFFIX);
            let aside = file_name(candidate.number, DAMAGED_SUFFIX);
            let renamed = self.storage.rename(&name, &aside).and_then(|()| self.storage.sync_directory());
            renamed.map_err(|source| failed("rename", self.storage.describe(&name), source))?;
            self.recovery.set_aside.push(self.storage.describe(&aside));
            self.last_is_doubtful = true;
        }
        Ok(())
    }

    fn take_segments(&mut self, mut candidates: BTreeMap<u64, Candidate>) -> Result<(), OpenError> {
        self.discard_disowned(&mut candidates);
        let numbers: Vec<u64> = candidates.keys().copied().collect();
        let sealed_bytes: u64 = candidates.values().map(|candidate| candidate.file_bytes).sum();
        let mut older_bytes = 0;
        for (at, number) in numbers.iter().enumerate() {
            let candidate = &candidates[number];
            let following = numbers.get(at + 1).map(|following| &candidates[following]);
            let stated = following.and_then(|following| following.header.as_ref()?.previous);
            let end = stated.filter(|stated| stated.number == *number).map(|stated| stated.end);
            older_bytes += candidate.file_bytes;
            let verify = sealed_bytes - older_bytes < self.settings.verify_at_open_bytes_max;
            self.note_missing(at, &numbers, candidate);
            let segment = self.take_segment(candidate, end, verify)?;
            let segment = Arc::new(segment);
            if self.read_index(*number, segment.end()).is_none() {
                self.sealed.push_back(Arc::clone(&segment));
            }
            self.segments.push_back(segment);
        }
        self.settle_tail(&numbers, &candidates)
    }

    /// A segment that the next one passes over never held a durable record: its first batch failed.
    fn discard_disowned(&mut self, candidates: &mut BTreeMap<u64, Candidate>) {
        let mut disowned = Vec::new();
        for (number, candidate) in candidates.iter() {
            let Some(previous) = candidate.header.as_ref().and_then(|header| header.previous) else {
                continue;
            };
            let after = previous.number.saturating_add(1).min(*number);
            disowned.extend(candidates.range(after..*number).map(|(number, _)| *number));
        }
        for number in disowned {
            if let Some(candidate) = candidates.remove(&number) {
                let segment = self.segment(&candidate, Offset::default());
                segment.spend();
                self.retired.push_back(Arc::new(segment));
            }
        }
    }

    fn note_missing(&mut self, at: usize, numbers: &[u64], candidate: &Candidate) {
        let Some(header) = &candidate.header else { return };
        let Some(before) = at.checked_sub(1).map(|before| numbers[before]) else { return };
        if header.previous.is_some_and(|previous| previous.number > before) {
            let from = self.last_offset.map_or(Offset::default(), Offset::next);
            self.recovery.missing.push((from, header.first_offset));
        }
    }

    fn segment(&self, candidate: &Candidate, first_offset: Offset) -> Segment {
        let seed = Seed::new(self.identity, candidate.number);
        let segment = Segment::new(self.storage, candidate.number, first_offset, seed, candidate.file_bytes);
        segment.share(&candidate.file);
        segment
    }

    /// Learns what a segment holds, from its index file if that will do.
    fn take_segment(
        &mut self,
        candidate: &Candidate,
        end: Option<u32>,
        verify: bool,
    ) -> Result<Segment, OpenError> {
        let path = self.storage.describe(&file_name(candidate.number, SEGMENT_SUFFIX));
        let file_end = u32::try_from(candidate.file_bytes).unwrap_or(u32::MAX);
        let indexed = match end {
            Some(end) if !verify && end <= file_end => self.read_index(candidate.number, end),
            _ => None,
        };
        let scan = match indexed {
            Some(index) => Scan { end: end.unwrap_or(file_end), index, ..Scan::default() },
            None => {
                let first = self.last_offset.map_or(Offset::default(), Offset::next);
                let seed = Seed::new(self.identity, candidate.number);
                let frames = Frames::new(Arc::clone(&candidate.file), seed, CHUNK_BYTES);
                let scan = scan(frames, first, end, file_end, &path);
                let scan = scan.map_err(|source| failed("read", path.clone(), source))?;
                self.recovery.records_verified += scan.index.records;
                self.recovery.bytes_verified += u64::from(scan.end);
                scan
            }
        };
        self.report(candidate, &scan, path);
        let is_whole = scan.damage.is_empty() && scan.torn_bytes == 0 && candidate.header.is_some();
        self.last_is_doubtful = !is_whole;
        self.last_durable_to = scan.durable_to;
        let stated = candidate.header.as_ref().map(|header| header.first_offset);
        let after_last = self.last_offset.map_or(Offset::default(), Offset::next);
        let first_offset = stated.or(scan.first_offset).unwrap_or(after_last).max(after_last);
        let segment = self.segment(candidate, first_offset);
        self.last_offset = scan.index.last_offset.or(self.last_offset);
        segment.set_end(scan.end);
        *segment.index.write() = scan.index;
        Ok(segment)
    }

    fn report(&mut self, candidate: &Candidate, scan: &Scan, path: String) {
        self.recovery.torn_bytes += scan.torn_bytes;
        for damage in &scan.damage {
            self.recovery.damage(damage.clone());
        }
        if candidate.header.is_none() {
            let damage = Damage { file: path, position: 0, bytes: 64, after: None };
            self.recovery.damage(damage);
        }
    }

    fn read_index(&self, number: u64, end: u32) -> Option<SparseIndex> {
        let file = self.storage.open(&file_name(number, INDEX_SUFFIX)).ok()?;
        // At most 16 bytes for each frame header that fits, and a header.
        let length = file.bytes().ok()?.min(u64::from(end) + 1024);
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let read = read_up_to(file.as_ref(), &mut bytes, 0).ok()?;
        SparseIndex::decode(&bytes[..read], self.identity, number, end)
    }

    /// Makes what was kept of the last segment durable, for a killed process leaves bytes that are only in memory, and cuts the rest.
    ///
    /// What is not known to have been fsynced is written again first: if the process before this one ended because its fsync
    /// failed, the system still shows these bytes, takes them for written, and an fsync alone would succeed without writing them.
    fn settle_tail(
        &mut self,
        numbers: &[u64],
        candidates: &BTreeMap<u64, Candidate>,
    ) -> Result<(), OpenError> {
        let Some((segment, candidate)) =
            self.segments.back().zip(numbers.last().map(|number| &candidates[number]))
        else {
            return Ok(());
        };
        let cut = u64::from(segment.end()) < candidate.file_bytes;
        let settled = if cut { candidate.file.truncate(u64::from(segment.end())) } else { Ok(()) };
        let settled = settled
            .and_then(|()| write_again(candidate.file.as_ref(), self.last_durable_to..segment.end()))
            .and_then(|()| candidate.file.sync_data());
        settled.map_err(|source| failed("cut the tail of", segment.path(), source))?;
        if cut {
            segment.spend();
            segment.set_bytes(u64::from(segment.end()));
        }
        Ok(())
    }

    /// Keeps the spare files that are whole, removes the others, and index files without a segment.
    fn take_spares(&mut self, names: &[String]) -> Result<Vec<Spare>, OpenError> {
        let mut spares = Vec::new();
        for name in names {
            let known = |number| self.segments.iter().any(|segment| segment.number == number);
            if file_number(name, INDEX_SUFFIX).is_some_and(|number| !known(number)) {
                self.remove(name)?;
            }
            if file_number(name, SPARE_SUFFIX).is_none() {
                continue;
            }
            let file = self
                .storage
                .open(name)
                .map_err(|source| failed("open", self.storage.describe(name), source))?;
            let whole = file.bytes().is_ok_and(|bytes| bytes == self.settings.segment_bytes);
            if whole && spares.len() < self.settings.spare_segments {
                spares.push(Spare { name: name.clone(), file });
            } else {
                self.remove(name)?;
            }
        }
        Ok(spares)
    }

    fn remove(&self, name: &str) -> Result<(), OpenError> {
        let removed = ignore_missing(self.storage.remove(name));
        removed.map_err(|source| failed("remove", self.storage.describe(name), source))
    }

    fn finish(mut self, spares: Vec<Spare>, next_file_number: u64) -> Result<Recovered, OpenError> {
        // The names that are there may be of a process that was killed before it made them durable.
        let synced = self.storage.sync_directory();
        synced.map_err(|source| failed("sync", self.storage.describe(""), source))?;
        let mut next = self.last_offset.map_or(Offset::default(), Offset::next);
        if let Some(last) = self.segments.back() {
            next = next.max(last.first_offset);
        }
        let end = next;
        if self.last_is_doubtful {
            next = Offset(next.0.saturating_add(OFFSETS_PASSED_OVER));
        }
        if !self.segments.is_empty() {
            next = Offset(next.0.saturating_add(self.settings.offsets_passed_over_at_open));
        }
        self.recovery.next = next.max(self.settings.next_offset_min);
        self.recovery.segments = self.segments.len() as u64;
        self.recovery.oldest =
            self.segments.front().map_or(self.recovery.next, |segment| segment.first_offset);
        // Without any segment nothing is known to be before the next record.
        let end = if self.segments.is_empty() { self.recovery.next } else { end };
        let last_ms = self.segments.iter().map(|segment| segment.index.read().last_ms).max().unwrap_or(0);
        Ok(Recovered {
            recovery: self.recovery,
            end,
            identity: self.identity,
            segments: self.segments,
            retired: self.retired,
            sealed: self.sealed,
            spares,
            next_file_number,
            last_ms,
        })
    }
}

/// Writes a part of a file over itself, so that the next sync has to write it to the disk.
fn write_again(file: &dyn StorageFile, part: Range<u32>) -> io::Result<()> {
    let (mut position, end) = (u64::from(part.start), u64::from(part.end));
    let mut chunk = vec![0; CHUNK_BYTES.min(part.len())];
    while position < end {
        let length = chunk.len().min((end - position) as usize);
        let read = read_up_to(file, &mut chunk[..length], position)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all_at(file, &chunk[..read], position)?;
        position += read as u64;
    }
    Ok(())
}

/// Reads a segment. Without a stated end, it ends at the first invalid place that is not certainly durable.
fn scan(
    mut frames: Frames,
    first: Offset,
    stated_end: Option<u32>,
    file_end: u32,
    path: &str,
) -> io::Result<Scan> {
    let limit = stated_end.unwrap_or(file_end).min(file_end);
    let (durable_to, trace_end) = match stated_end {
        Some(end) => (end, end),
        None => traces(&mut frames, first, limit)?,
    };
    let mut scan = Scan { durable_to, ..Scan::default() };
    let mut next = first;
    let mut position = SEGMENT_HEADER_BYTES as u32;
    while position < limit.max(durable_to) {
        let found = frames.at(position, limit)?;
        if let Found::Frame(header, _) = &found
            && header.offset >= next
        {
            scan.first_offset.get_or_insert(header.offset);
            scan.index.push(header.offset, position, header.at_ms);
            next = header.offset.next();
            position = position.saturating_add(header.padded_bytes() as u32).min(limit);
            continue;
        }
        if position >= durable_to {
            break;
        }
        let good = frames.find(position.saturating_add(8), limit, |header| header.offset >= next)?;
        let good = good.unwrap_or(durable_to);
        let bytes = u64::from(good - position);
        let after = scan.index.last_offset;
        scan.damage.push(Damage { file: path.to_owned(), position: u64::from(position), bytes, after });
        position = good;
    }
    scan.end = position;
    scan.torn_bytes = u64::from(trace_end.saturating_sub(position));
    if stated_end.is_none() && scan.torn_bytes == 0 && !frames.is_zero_at(position, limit)? {
        scan.torn_bytes = FRAME_HEADER_BYTES as u64;
    }
    Ok(scan)
}

/// How far the frames of a segment say it was fsynced, and how far there is any trace of a record.
fn traces(frames: &mut Frames, first: Offset, limit: u32) -> io::Result<(u32, u32)> {
    let mut durable_to = SEGMENT_HEADER_BYTES as u32;
    let mut trace_end = durable_to;
    let mut next = first;
    let mut position = durable_to;
    while let Some(found) = frames.find(position, limit, |header| header.offset >= next)? {
        let Some(header) = frames.header_at(found, limit)? else { break };
        durable_to = durable_to.max(header.durable_to);
        next = header.offset.next();
        position = found.saturating_add(header.padded_bytes() as u32).min(limit);
        trace_end = position;
    }
    Ok((durable_to, trace_end))
}

fn any_number(name: &str) -> Option<u64> {
    [SEGMENT_SUFFIX, INDEX_SUFFIX, SPARE_SUFFIX, DAMAGED_SUFFIX]
        .iter()
        .find_map(|suffix| file_number(name, suffix))
}

/// A number that other journals do not have. It must not be guessable by who sends records, so it comes from the hasher's random keys.
fn random_identity() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn failed(doing: &'static str, file: String, source: io::Error) -> OpenError {
    OpenError::Io { doing, file, source }
}
