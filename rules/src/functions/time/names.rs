//! English names: months, days, eras, halves of the day, quarters, and time zones as people write them.

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

/// From Monday on, as ISO 8601 counts.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) const HALVES: [&str; 2] = ["AM", "PM"];

/// How much of a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Short,
    Full,
}

/// Before and since the year 1.
pub(super) fn eras(style: Style) -> [&'static str; 2] {
    match style {
        Style::Short => ["BC", "AD"],
        Style::Full => ["Before Christ", "Anno Domini"],
    }
}

pub(super) fn quarters(style: Style) -> [&'static str; 4] {
    match style {
        Style::Short => ["Q1", "Q2", "Q3", "Q4"],
        Style::Full => ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"],
    }
}

/// A name of a month or day in a style: its first three letters, or all.
pub(super) fn styled(name: &'static str, style: Style) -> &'static str {
    match style {
        Style::Short => &name[..3],
        Style::Full => name,
    }
}

/// A time zone with names of its own.
pub(super) struct NamedZone {
    /// The region whose clock a name stands for when it is read.
    pub(super) region: &'static str,
    /// Minutes east of UTC in standard time.
    pub(super) offset_minutes: i32,
    /// Abbreviation and name of its standard time.
    pub(super) standard: (&'static str, &'static str),
    /// Abbreviation and name of its summer time, an hour later; the standard ones where there is none.
    pub(super) summer: (&'static str, &'static str),
}

const fn zone(
    region: &'static str,
    offset_minutes: i32,
    standard: (&'static str, &'static str),
    summer: (&'static str, &'static str),
) -> NamedZone {
    NamedZone { region, offset_minutes, standard, summer }
}

/// The zones whose names people use. Of those that share an abbreviation the first is meant when it is read.
pub(super) const ZONES: &[NamedZone] = &[
    zone("UTC", 0, ("UTC", "Coordinated Universal Time"), ("UTC", "Coordinated Universal Time")),
    zone("Europe/London", 0, ("GMT", "Greenwich Mean Time"), ("BST", "British Summer Time")),
    zone("America/New_York", -300, ("EST", "Eastern Standard Time"), ("EDT", "Eastern Daylight Time")),
    zone("America/Chicago", -360, ("CST", "Central Standard Time"), ("CDT", "Central Daylight Time")),
    zone("America/Denver", -420, ("MST", "Mountain Standard Time"), ("MDT", "Mountain Daylight Time")),
    zone("America/Los_Angeles", -480, ("PST", "Pacific Standard Time"), ("PDT", "Pacific Daylight Time")),
    zone("America/Anchorage", -540, ("AKST", "Alaska Standard Time"), ("AKDT", "Alaska Daylight Time")),
    zone(
        "Pacific/Honolulu",
        -600,
        ("HST", "Hawaii-Aleutian Standard Time"),
        ("HDT", "Hawaii-Aleutian Daylight Time"),
    ),
    zone("America/Halifax", -240, ("AST", "Atlantic Standard Time"), ("ADT", "Atlantic Daylight Time")),
    zone(
        "America/St_Johns",
        -210,
        ("NST", "Newfoundland Standard Time"),
        ("NDT", "Newfoundland Daylight Time"),
    ),
    zone(
        "Europe/Lisbon",
        0,
        ("WET", "Western European Standard Time"),
        ("WEST", "Western European Summer Time"),
    ),
    zone(
        "Europe/Paris",
        60,
        ("CET", "Central European Standard Time"),
        ("CEST", "Central European Summer Time"),
    ),
    zone(
        "Europe/Athens",
        120,
        ("EET", "Eastern European Standard Time"),
        ("EEST", "Eastern European Summer Time"),
    ),
    zone("Europe/Moscow", 180, ("MSK", "Moscow Standard Time"), ("MSK", "Moscow Standard Time")),
    zone("Asia/Kolkata", 330, ("IST", "India Standard Time"), ("IST", "India Standard Time")),
    zone("Asia/Jerusalem", 120, ("IST", "Israel Standard Time"), ("IDT", "Israel Daylight Time")),
    zone("Asia/Shanghai", 480, ("CST", "China Standard Time"), ("CDT", "China Daylight Time")),
    zone("Asia/Tokyo", 540, ("JST", "Japan Standard Time"), ("JDT", "Japan Daylight Time")),
    zone("Asia/Seoul", 540, ("KST", "Korean Standard Time"), ("KDT", "Korean Daylight Time")),
    zone(
        "Australia/Perth",
        480,
        ("AWST", "Australian Western Standard Time"),
        ("AWDT", "Australian Western Daylight Time"),
    ),
    zone(
        "Australia/Adelaide",
        570,
        ("ACST", "Australian Central Standard Time"),
        ("ACDT", "Australian Central Daylight Time"),
    ),
    zone(
        "Australia/Sydney",
        600,
        ("AEST", "Australian Eastern Standard Time"),
        ("AEDT", "Australian Eastern Daylight Time"),
    ),
    zone(
        "Pacific/Auckland",
        720,
        ("NZST", "New Zealand Standard Time"),
        ("NZDT", "New Zealand Daylight Time"),
    ),
    zone(
        "Africa/Johannesburg",
        120,
        ("SAST", "South Africa Standard Time"),
        ("SAST", "South Africa Standard Time"),
    ),
];

/// The name of the time with this abbreviation, so many minutes east of UTC.
pub(super) fn zone_name(abbreviation: &str, minutes: i32) -> Option<&'static str> {
    ZONES.iter().find_map(|zone| {
        let is = |names: (&str, &str), offset: i32| names.0 == abbreviation && minutes == offset;
        match () {
            () if is(zone.standard, zone.offset_minutes) => Some(zone.standard.1),
            () if is(zone.summer, zone.offset_minutes + 60) => Some(zone.summer.1),
            () => None,
        }
    })
}
