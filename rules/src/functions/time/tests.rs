use proptest::prelude::*;

use super::*;

#[test]
fn zones_are_utc_and_offsets() {
    for (zone, minutes) in
        [("UTC", 0), ("Z", 0), ("GMT+2", 120), ("UTC+01:00", 60), ("-0530", -330), ("+18:00", 1080)]
    {
        assert_eq!(zone_offset_minutes(zone), Some(minutes), "{zone}");
    }
    for zone in ["", "America/Chicago", "CST", "+", "+1:0", "+19:00", "+01:60", "UTCZ", "+é1"] {
        assert_eq!(zone_offset_minutes(zone), None, "{zone}");
    }
}

#[test]
fn what_can_not_be_printed_or_read_is_refused() {
    assert_eq!(check_literal(WritePattern, "yyyy Q").unwrap_err(), "pattern letter `Q` is not supported");
    assert_eq!(check_literal(ReadPattern, "yyyy 'at").unwrap_err(), "quote in the pattern is not closed");
    assert!(
        check_literal(Zone, "America/Chicago")
            .unwrap_err()
            .contains("time zone `America/Chicago` is not supported")
    );
    assert_eq!(check_literal(Zone, "UTC"), Ok(()));
}

proptest! {
    #[test]
    fn what_was_printed_is_read_back(milliseconds in MILLISECONDS, zone in prop::sample::select(vec![0i64, 60, -330])) {
        let pattern = "yyyy-MM-dd'T'HH:mm:ss.SSS";
        let printed = Pattern::parse(pattern, pattern::WRITTEN).unwrap().print(milliseconds, 0);
        prop_assert_eq!(Pattern::parse(pattern, pattern::READ).unwrap().read(&printed), Some(milliseconds));
        let _ = Pattern::parse("GyDEeaHhKkmsSZzX", pattern::WRITTEN).unwrap().print(milliseconds, zone);
    }

    #[test]
    fn nothing_panics(pattern in "[GyMdEaHhKkmsSVXxZ' €.]{0,12}", text in "\\PC{0,16}|[0-9A-Za-z:+ -]{0,16}") {
        if let Ok(pattern) = Pattern::parse(&pattern, pattern::READ) {
            let _ = pattern.read(&text);
        }
        let _ = zone_offset_minutes(&text);
    }
}
