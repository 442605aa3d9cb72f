//! What the row of a lane says of its side journal.

use serde::{Deserialize, Serialize};

use crate::Offset;

/// Up to where a lane's events are aside, and which side records they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AsideRow {
    /// What the lane owes below this offset of the journal is in the chunks.
    until: u64,
    /// Runs of side records, the first and the one after the last, in order.
    chunks: Vec<(u64, u64)>,
}

impl AsideRow {
    /// Nothing is aside, and the journal is needed as if nothing ever was.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn until(&self) -> Offset {
        Offset(self.until)
    }

    /// The first side record that is needed.
    pub(crate) fn first(&self) -> Option<Offset> {
        self.chunks.first().map(|(first, _)| Offset(*first))
    }

    /// The offset after the last side record that is named.
    pub(crate) fn end(&self) -> Offset {
        Offset(self.chunks.last().map_or(0, |(_, end)| *end))
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = (Offset, Offset)> {
        self.chunks.iter().map(|(first, end)| (Offset(*first), Offset(*end)))
    }

    pub(crate) fn set_until(&mut self, until: Offset) {
        self.until = self.until.max(until.0);
    }

    /// Adds the side records from `first` to before `end`, which come after all others.
    pub(crate) fn add_chunk(&mut self, first: Offset, end: Offset) {
        match self.chunks.last_mut() {
            Some(last) if last.1 == first.0 => last.1 = end.0,
            _ => self.chunks.push((first.0, end.0)),
        }
    }

    /// Everything before `floor` of the journal is settled; `place` is a side record at or before the first that is not.
    pub(crate) fn settle(&mut self, floor: Offset, place: Option<Offset>) {
        if floor.0 >= self.until {
            *self = Self::default();
            return;
        }
        let Some(Offset(place)) = place else { return };
        self.chunks.retain(|(_, end)| *end > place);
        if let Some(first) = self.chunks.first_mut() {
            first.0 = first.0.max(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_are_one_and_what_is_settled_is_forgotten() {
        let mut row = AsideRow::default();
        row.add_chunk(Offset(0), Offset(10));
        row.add_chunk(Offset(10), Offset(20));
        row.add_chunk(Offset(25), Offset(30));
        row.set_until(Offset(1000));
        let shown = |row: &AsideRow| format!("{:?} {:?}", row.until, row.chunks);
        assert_eq!(shown(&row), "1000 [(0, 20), (25, 30)]");
        row.settle(Offset(300), None);
        assert_eq!(shown(&row), "1000 [(0, 20), (25, 30)]", "nobody knows where that is");
        row.settle(Offset(300), Some(Offset(7)));
        assert_eq!(shown(&row), "1000 [(7, 20), (25, 30)]");
        row.settle(Offset(900), Some(Offset(26)));
        assert_eq!(shown(&row), "1000 [(26, 30)]");
        assert_eq!((row.first(), row.end()), (Some(Offset(26)), Offset(30)));
        row.settle(Offset(1000), Some(Offset(26)));
        assert!(row.is_empty());
    }
}
