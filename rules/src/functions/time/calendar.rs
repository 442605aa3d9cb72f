//! Days since 1970 and dates of the Gregorian calendar, for the years 1 to 9999.

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Day 0, the first of January 1970, was the fourth of these.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_before_year(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

/// Days from 1970-01-01 to a date.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    days_before_year(year) + (1..month).map(|month| days_in_month(year, month)).sum::<i64>() + day - 1
}

/// The year, month, day and day of the year of a day counted from 1970-01-01.
pub(super) fn date(days_since: i64) -> (i64, i64, i64, i64) {
    // 146,097 days make 400 years, so the first guess is off by one at most.
    let mut year = 1970 + (days_since * 400).div_euclid(146_097);
    while days_before_year(year) > days_since {
        year -= 1;
    }
    while days_before_year(year + 1) <= days_since {
        year += 1;
    }
    let of_year = days_since - days_before_year(year);
    let (mut month, mut day) = (1, of_year);
    while day >= days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    (year, month, day + 1, of_year + 1)
}
