//! The header `Retry-After` (RFC 9110, section 10.2.3).

use std::time::Duration;

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The one form of date that may be sent today; the two obsolete ones are not read.
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// What a server says about trying again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// Not before so long.
    Wait(Duration),
    /// Never: a negative number, which is how EventBridge reads it too.
    Never,
}

/// Reads the value; `None` when it is neither seconds nor a date.
pub(super) fn parse(value: &str, now: OffsetDateTime) -> Option<RetryAfter> {
    let value = value.trim();
    if let Some(digits) = value.strip_prefix('-') {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        return is_number.then_some(RetryAfter::Never);
    }
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Whoever asks for more seconds than fit means for ever; the bus cuts that to the event's age.
        return Some(RetryAfter::Wait(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX)))));
    }
    let at = PrimitiveDateTime::parse(value, HTTP_DATE).ok()?.assume_utc();
    let wait = Duration::try_from(at - now).unwrap_or_default();
    Some(RetryAfter::Wait(wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn rfc9110_10_2_3_seconds_or_a_date() {
        let now = datetime!(2026-11-21 08:00:00 UTC);
        let wait = |seconds| Some(RetryAfter::Wait(Duration::from_secs(seconds)));
        let cases = [
            ("120", wait(120)),
            (" 0 ", wait(0)),
            ("Sat, 21 Nov 2026 08:00:30 GMT", wait(30)),
            ("Sat, 21 Nov 2026 07:00:00 GMT", wait(0)),
            ("-1", Some(RetryAfter::Never)),
            ("99999999999999999999999", wait(u64::from(u32::MAX))),
            ("", None),
            ("-", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value, now), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in any::<String>()) {
            parse(&value, OffsetDateTime::UNIX_EPOCH);
        }
    }
}
