//! From when until when a certificate is valid.

use time::{Duration, OffsetDateTime};

use crate::Error;

/// How far a new certificate's validity begins in the past, so that a device whose clock is behind can use it at once.
const BACKDATED: Duration = Duration::hours(1);

/// From when until when a certificate is valid, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

impl Validity {
    /// Valid from one hour ago for this many days from now.
    pub fn days(days: u16) -> Self {
        let now = now();
        Self { not_before: now - BACKDATED, not_after: now + Duration::days(i64::from(days)) }
    }

    /// Valid between two instants, which may both lie in the past: that is how an expired certificate is made.
    ///
    /// # Errors
    /// `Error::Validity` if it would end before it begins.
    pub fn between(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Result<Self, Error> {
        let (not_before, not_after) = (whole_seconds(not_before), whole_seconds(not_after));
        if not_after < not_before {
            return Err(Error::Validity { not_before: date(not_before), not_after: date(not_after) });
        }
        Ok(Self { not_before, not_after })
    }

    /// The first second at which the certificate is valid.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last second at which the certificate is valid.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}

pub(crate) fn now() -> OffsetDateTime {
    whole_seconds(OffsetDateTime::now_utc())
}

fn whole_seconds(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_nanosecond(0).expect("zero is a valid nanosecond")
}

/// An instant for people.
pub(crate) fn date(instant: OffsetDateTime) -> String {
    instant.format(&time::format_description::well_known::Rfc3339).unwrap_or_else(|_| instant.to_string())
}
