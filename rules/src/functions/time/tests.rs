use proptest::prelude::*;

use super::*;

fn printed(pattern: &str, millis: i64, zone: &str) -> String {
    let moment = Timestamp::from_millisecond(millis).unwrap();
    match write::parse(pattern) {
        Ok(pattern) => write::print(&pattern, moment, &Zone::parse(zone).unwrap()),
        Err(error) => error,
    }
}

fn read(text: &str, pattern: &str) -> Result<Option<i64>, String> {
    Ok(Reader::parse(pattern)?.read(text).and_then(|fields| fields.moment()).map(Timestamp::as_millisecond))
}

/// The same moment by a pattern that leaves no doubt.
fn at(text: &str) -> Result<Option<i64>, String> {
    let moment: Timestamp = text.parse().unwrap();
    Ok(Some(moment.as_millisecond()))
}

#[test]
fn every_letter_is_printed_as_by_joda_time() {
    let millis = 1_718_000_000_123; // 2024-06-10T06:13:20.123Z, a Monday
    for (pattern, wanted) in [
        ("G GGGG C CCC", "AD AD 20 020"),
        ("y yy yyy yyyyyy Y YY", "2024 24 2024 002024 2024 24"),
        ("x xx ww e ee", "2024 24 24 1 01"),
        ("E EEE EEEE EEEEE", "Mon Mon Monday Monday"),
        ("M MM MMM MMMM MMMMM", "6 06 Jun June June"),
        ("d dd D DDDD", "10 10 162 0162"),
        ("a K KK h hh H HH k kk", "AM 6 06 6 06 6 06 6 06"),
        ("m mm s ss S SS SSS SSSSSS", "13 13 20 20 1 12 123 123000"),
        ("z zzz zzzz Z ZZ ZZZ", "UTC UTC Coordinated Universal Time +0000 +00:00 UTC"),
        ("yyyy''MM '''t'''", "2024'06 't'"),
    ] {
        assert_eq!(printed(pattern, millis, "UTC"), wanted, "{pattern}");
    }
    assert_eq!(printed("h K H k a", 0, "UTC"), "12 0 0 24 AM");
    assert_eq!(printed("h K H k a", 43_200_000, "UTC"), "12 0 12 12 PM");
    assert_eq!(printed("y Y G yy", -62_167_219_200_001, "UTC"), "-1 2 BC 99");
}

#[test]
fn zones_are_printed_by_their_names() {
    let summer = 1_718_000_000_000;
    for (zone, wanted) in [
        ("America/Chicago", "CDT Central Daylight Time -0500 -05:00 America/Chicago"),
        ("America/Sao_Paulo", "-03:00 -03:00 -0300 -03:00 America/Sao_Paulo"),
        ("Asia/Kolkata", "IST India Standard Time +0530 +05:30 Asia/Kolkata"),
        ("Asia/Shanghai", "CST China Standard Time +0800 +08:00 Asia/Shanghai"),
        ("+01:00", "+01:00 +01:00 +0100 +01:00 +01:00"),
        ("UTC-5", "-05:00 -05:00 -0500 -05:00 -05:00"),
    ] {
        assert_eq!(printed("z zzzz Z ZZ ZZZ", summer, zone), wanted);
    }
    assert_eq!(printed("z", 0, "America/Chicago"), "CST");
}

#[test]
fn every_letter_is_read_as_by_java() {
    let wanted = at("2024-06-10T06:13:20Z");
    for (text, pattern) in [
        ("2024-06-10 06:13:20", "uuuu-MM-dd HH:mm:ss"),
        ("24-6-10 6:13:20", "yy-M-d H:m:s"),
        ("AD 2024 Jun 10 06:13:20", "G yyyy MMM dd kk:mm:ss"),
        ("Anno Domini 2024 June 10 6:13:20 AM", "GGGG y LLLL d h:mm:ss a"),
        ("Monday, 10 June 2024 06:13:20", "EEEE, d MMMM y HH:mm:ss"),
        ("2024162 061320", "yyyyDDD HHmmss"),
        ("20240610061320", "yyyyMMddHHmmss"),
        ("2024-W24-1 06:13:20", "YYYY-'W'ww-e HH:mm:ss"),
        ("2024 22400000", "y A"),
        ("2024-06-10T08:13:20+02:00", "yyyy-MM-dd'T'HH:mm:ssXXX"),
        ("2024-06-10T06:13:20Z", "yyyy-MM-dd'T'HH:mm:ssX"),
        ("2024-06-10T08:13:20+02", "yyyy-MM-dd'T'HH:mm:ssx"),
        ("2024-06-10T08:13:20+0200", "yyyy-MM-dd'T'HH:mm:ssZ"),
        ("2024-06-10T08:13:20+02:00", "yyyy-MM-dd'T'HH:mm:ssZZZZZ"),
        ("2024-06-10T08:13:20 GMT+02:00", "yyyy-MM-dd'T'HH:mm:ss ZZZZ"),
        ("2024-06-10T08:13:20 GMT+2", "yyyy-MM-dd'T'HH:mm:ss O"),
        ("2024-06-10T01:13:20 CDT", "yyyy-MM-dd'T'HH:mm:ss z"),
        ("2024-06-10T01:13:20 Central Daylight Time", "yyyy-MM-dd'T'HH:mm:ss zzzz"),
        ("2024-06-10T08:13:20[Europe/Paris]", "yyyy-MM-dd'T'HH:mm:ss'['VV']'"),
        ("2024-06-10 06:13:20", "yyyy-MM-dd[ HH:mm[:ss[.SSS]]]"),
        ("2024-06-10 06:13:20 60471", "yyyy-MM-dd HH:mm:ss g"),
        ("2024- 6-10 06:13:20", "yyyy-ppM-dd HH:mm:ss"),
    ] {
        let wanted = if pattern == "y A" { at("2024-01-01T06:13:20Z") } else { wanted.clone() };
        assert_eq!(read(text, pattern), wanted, "{text} by {pattern}");
    }
    assert_eq!(read("20240610061320123", "yyyyMMddHHmmssSSS"), at("2024-06-10T06:13:20.123Z"));
    assert_eq!(read("0044 BC", "yyyy G"), at("-000043-01-01T00:00:00Z"));
    assert_eq!(read("2024 Q3", "yyyy QQQ"), at("2024-07-01T00:00:00Z"));
    assert_eq!(read("2024-06-10", "yyyy-MM-dd[ HH:mm]"), at("2024-06-10T00:00:00Z"));
}

#[test]
fn what_is_no_time_is_none_and_the_rest_is_resolved_as_in_java() {
    for (text, pattern) in [
        ("2024-06-32", "yyyy-MM-dd"),
        ("2024-13-01", "yyyy-MM-dd"),
        ("2024-6-01", "yyyy-MM-dd"),
        ("12024-06-01", "yyyy-MM-dd"),
        ("june 2024", "MMMM yyyy"),
        ("Tuesday 2024-06-10", "EEEE yyyy-MM-dd"),
        ("2024-06-10 25:00", "yyyy-MM-dd HH:mm"),
        ("2024-06-10 24:01", "yyyy-MM-dd HH:mm"),
        ("13 AM", "h a"),
        ("2024-06-10 ", "yyyy-MM-dd"),
        ("2024 2025", "yyyy yyyy"),
        ("366 2023", "DDD yyyy"),
        ("+19:00", "XXX"),
        ("Nowhere/Land", "VV"),
    ] {
        assert_eq!(read(text, pattern), Ok(None), "{text} by {pattern}");
    }
    assert_eq!(read("2024-02-31", "yyyy-MM-dd"), at("2024-02-29T00:00:00Z"));
    assert_eq!(read("2024-06-10 24:00", "yyyy-MM-dd HH:mm"), at("2024-06-11T00:00:00Z"));
    assert_eq!(read("+12024", "yyyy"), Ok(None), "out of range");
}

#[test]
fn clocks_put_forward_and_back_are_resolved_as_in_java() {
    let pattern = "yyyy-MM-dd HH:mm VV";
    assert_eq!(read("2024-03-10 02:30 America/Chicago", pattern), at("2024-03-10T08:30:00Z"));
    assert_eq!(read("2024-11-03 01:30 America/Chicago", pattern), at("2024-11-03T06:30:00Z"));
    let both = "yyyy-MM-dd HH:mmXXX'['VV']'";
    assert_eq!(read("2024-11-03 01:30-06:00[America/Chicago]", both), at("2024-11-03T07:30:00Z"));
    assert_eq!(printed("HH:mm z", 1_730_615_400_000, "America/Chicago"), "01:30 CDT");
    assert_eq!(printed("HH:mm z", 1_730_619_000_000, "America/Chicago"), "01:30 CST");
}

#[test]
fn zones_are_utc_offsets_and_regions() {
    for (zone, id) in [
        ("UTC", "UTC"),
        ("Z", "UTC"),
        ("GMT+2", "+02:00"),
        ("UTC+01:00", "+01:00"),
        ("-0530", "-05:30"),
        ("+18:00", "+18:00"),
        ("+01:02:03", "+01:02:03"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("CST6CDT", "CST6CDT"),
    ] {
        assert_eq!(Zone::parse(zone).map(|zone| zone.id).as_deref(), Some(id), "{zone}");
    }
    for zone in
        ["", "america/chicago", "America/Chicgo", "CST", "+", "+1:0", "+19:00", "+01:60", "UTCZ", "+é1"]
    {
        assert!(Zone::parse(zone).is_none(), "{zone}");
    }
}

#[test]
fn what_can_not_be_printed_or_read_is_refused() {
    for (kind, text, words) in [
        (WritePattern, "yyyy Q", "pattern letter `Q` is not one of `parse_time`"),
        (WritePattern, "HH:mmX", "an offset is `Z` or, with a colon, `ZZ`"),
        (ReadPattern, "yyyy 'at", "quote in the pattern is not closed"),
        (ReadPattern, "yyyy-MM-ddTHH", "pattern letter `T` is not one of `time_to_epoch`"),
        (ReadPattern, "ddd", "pattern letter `d` stands 3 times"),
        (ReadPattern, "aa", "pattern letter `a` stands 2 times"),
        (ReadPattern, "yyyy]", "`]` in the pattern without `[`"),
        (ReadPattern, "yyyy#", "`#` in the pattern is reserved"),
        (ReadPattern, "yyyy W", "pattern letter `W` can't be read"),
        (ReadPattern, "[[[[[[[[[y]]]]]]]]]", "more than 8 deep"),
        (ZoneKind, "America/Chicgo", "did you mean `America/Chicago`?"),
        (ZoneKind, "CST", "write a region such as `America/Chicago`"),
    ] {
        let message = check_literal(kind, text).unwrap_err();
        assert!(message.contains(words), "{text}: {message}");
    }
    assert_eq!(check_literal(ZoneKind, "UTC"), Ok(()));
    assert!(check_literal(ReadPattern, &"y".repeat(257)).unwrap_err().contains("longer than 256 bytes"));
}

proptest! {
    #[test]
    fn what_was_printed_is_read_back(
        millis in -62_135_596_800_000i64..=253_402_300_799_999,
        zone in prop::sample::select(vec!["UTC", "+05:30", "America/Chicago", "Australia/Lord_Howe"]),
    ) {
        let text = printed("yyyy-MM-dd'T'HH:mm:ss.SSSZZ ZZZ", millis, zone);
        // Offsets of long ago have seconds, which only the local mean time knows.
        let read = read(&text, "uuuu-MM-dd'T'HH:mm:ss.SSSXXXXX VV").unwrap();
        prop_assert_eq!(read, Some(millis), "{}", text);
    }

    #[test]
    fn nothing_panics(pattern in "[GuyDdMLQqYwWEecFahKkHmsSAnNVvzOXxZpgB'\\[\\] .:#]{0,12}", text in "\\PC{0,16}|[0-9A-Za-z:+/ -]{0,24}") {
        if let Ok(reader) = Reader::parse(&pattern) {
            let _ = reader.read(&text).and_then(|fields| fields.moment());
        }
        if let Ok(pattern) = write::parse(&pattern) {
            let _ = write::print(&pattern, Timestamp::MIN, &Zone::utc());
            let _ = write::print(&pattern, Timestamp::MAX, &Zone::utc());
        }
        let _ = Zone::read_named(&text);
    }
}
