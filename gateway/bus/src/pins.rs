//! Who keeps the journal from being trimmed: what an operator asks first when it is full.

use std::collections::BTreeMap;

use crate::bus::Shared;
use crate::{Bus, Offset};

/// Stands for the counting of what was accepted, which comes before everybody.
const COUNTS: &str = "counts";

/// Somebody who needs the journal from a place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The target, as `kind/name`, or the part of the gateway.
    pub by: String,
    /// Nothing from here on is trimmed.
    pub from: Offset,
    /// Bytes on disk of the segments from there on. The segment being written is one of them; it is never trimmed.
    pub bytes: u64,
}

impl Bus {
    /// Who keeps how much of the journal from being trimmed, who keeps most first. Whoever needs none of it is not named.
    #[must_use]
    pub fn pins(&self) -> Vec<Pin> {
        pins(&self.shared)
    }
}

fn pins(bus: &Shared) -> Vec<Pin> {
    let mut places: BTreeMap<String, Offset> = BTreeMap::new();
    let lanes = bus.all_lanes().into_iter().filter_map(|lane| Some((lane.name.to_string(), lane.floor()?)));
    let counts = (COUNTS.to_owned(), bus.observer.committed());
    for (by, from) in lanes.chain(bus.floors.all()).chain([counts]) {
        places.entry(by).and_modify(|known| *known = from.min(*known)).or_insert(from);
    }
    let pin = |(by, from)| Pin { by, from, bytes: bus.journal.bytes_since(from) };
    let mut pins: Vec<Pin> = places.into_iter().map(pin).collect();
    pins.sort_by_key(|pin| pin.from);
    pins
}
