//! Moments as people write them on the command line.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Milliseconds since the Unix epoch of a moment: `2026-11-21T03:00:00Z`, `2026-11-21` (its midnight in UTC), `now`, or how long ago it was: `90s`,
/// `15m`, `2h`, `3d`.
///
/// # Errors
/// The text is none of these, or lies before 1970.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    at(text, OffsetDateTime::now_utc())
}

fn at(text: &str, now: OffsetDateTime) -> Result<u64, String> {
    let moment = if text == "now" { Some(now) } else { ago(text, now).or_else(|| absolute(text)) };
    let ms = moment.and_then(|moment| u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok());
    ms.ok_or_else(|| {
        format!("`{text}` is no moment such as `2026-11-21T03:00:00Z`, `2026-11-21`, `15m` (ago), `2h`, `3d` or `now`")
    })
}

fn ago(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count >= 0)?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    now.checked_sub(Duration::seconds(count.checked_mul(secs)?))
}

fn absolute(text: &str) -> Option<OffsetDateTime> {
    let midnight = format!("{text}T00:00:00Z");
    OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(&midnight, &Rfc3339)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_so_long_ago() {
        let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).expect("a time");
        for (text, expected) in [
            ("now", Some(1_700_000_000_000)),
            ("90s", Some(1_699_999_910_000)),
            ("15m", Some(1_699_999_100_000)),
            ("2h", Some(1_699_992_800_000)),
            ("3d", Some(1_699_740_800_000)),
            ("0s", Some(1_700_000_000_000)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-14T23:13:20.5+01:00", Some(1_700_000_000_500)),
            ("2023-11-14", Some(1_699_920_000_000)),
            ("1969-12-31", None),
            ("99999999999999999d", None),
            ("-3d", None),
            ("3w", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(at(text, now).ok(), expected, "{text}");
        }
    }
}
