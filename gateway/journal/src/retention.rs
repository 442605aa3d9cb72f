//! Giving up records by their age and by the room they take.
//!
//! A journal keeps what somebody needs ([`Journal::trim`]). This is for journals that keep records for their own sake: so long, and
//! so many bytes. Space is freed in whole segments, so a little more is kept than asked for; the segment being written always stays.

use crate::{Journal, Offset};

/// How long and how much to keep. The default keeps everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records older than this may go, in milliseconds. A segment goes when its youngest record is older.
    pub age_ms_max: Option<u64>,
    /// The oldest segments go while all segments together hold more bytes than this.
    pub bytes_max: Option<u64>,
}

/// What [`Journal::retain`] gave up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Segments that went because they were too old.
    pub aged_segments: u64,
    /// Segments that went because there were too many bytes.
    pub surplus_segments: u64,
    /// The oldest offset that is left.
    pub oldest: Offset,
}

impl Journal {
    /// Gives up the oldest segments that `retention` does not keep, but never a record at or after `needed`: pass `Offset(u64::MAX)`
    /// when nobody needs any. Does not block, as [`trim`](Self::trim).
    pub fn retain(&self, retention: Retention, needed: Offset) -> GivenUp {
        let now_ms = self.inner.settings().clock.now_ms();
        let mut given_up = GivenUp::default();
        while let Some(oldest) = self.oldest_segment().filter(|oldest| oldest.trim_at <= needed) {
            let age_ms = now_ms.saturating_sub(oldest.last_at_ms);
            let is_aged = retention.age_ms_max.is_some_and(|age_ms_max| age_ms > age_ms_max);
            let is_surplus = retention.bytes_max.is_some_and(|bytes_max| self.segment_bytes() > bytes_max);
            if !is_aged && !is_surplus {
                break;
            }
            let before = self.oldest();
            if self.trim(oldest.trim_at) == before {
                break;
            }
            given_up.aged_segments += u64::from(is_aged);
            given_up.surplus_segments += u64::from(!is_aged);
        }
        GivenUp { oldest: self.oldest(), ..given_up }
    }

    /// Bytes of the segments that hold records, without spare ones and those that are being let go.
    fn segment_bytes(&self) -> u64 {
        self.inner.shared.segments.bytes()
    }
}
