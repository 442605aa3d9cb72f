use super::*;

const MESSAGE: Message<'static> = Message {
    device: "device-00001",
    sequence: 7,
    due_micros: 1_700_000_000_123_456,
    reading: Reading { temperature_tenths: 805, humidity_tenths: 430 },
    line: "line-2",
    run: "r",
};

fn check(template: &str, padding: &str, expected: &str) {
    let template = Template::payload(template, !padding.is_empty()).unwrap();
    let text = template.render(&MESSAGE, padding);
    assert_eq!(text, expected);
    assert!(text.len() <= template.bytes_max(padding.len(), MESSAGE.run.len()));
}

#[test]
fn templates_are_filled_in() {
    check("{device} {sequence} {sent_at_ms}", "", "device-00001 7 1700000000123");
    check(r#"{"t":{temperature},"h":{humidity}}"#, "", r#"{"t":80.5,"h":43.0}"#);
    check(r#"{"a":{"b":{}}} {Upper} {"#, "", r#"{"a":{"b":{}}} {Upper} {"#);
    check("{}", "xx", r#"{"padding":"xx"}"#);
    check(r#"{"s":{sequence}}"#, "xx", r#"{"s":7,"padding":"xx"}"#);
    check("{padding}{sequence}", "xx", "xx7");
}

#[test]
fn an_unknown_placeholder_is_named_with_the_nearest() {
    let error = Template::payload("{temprature}", false).unwrap_err().to_string();
    assert!(error.contains("unknown placeholder `{temprature}` in the payload template"), "{error}");
    assert!(error.contains("did you mean `{temperature}`?"), "{error}");
    let error = Template::parse("a/{sequence}", "the topic", TOPIC_PLACEHOLDERS).unwrap_err().to_string();
    assert!(error.contains("known are `{device}` `{line}` `{run}`"), "{error}");
    assert!(Template::payload("plain text", true).is_err());
}

#[test]
fn the_default_is_json_with_every_field() {
    let text = Template::payload(DEFAULT_PAYLOAD, false).unwrap().render(&MESSAGE, "");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["temperature"], 80.5);
    assert_eq!(value["sentAtMs"], 1_700_000_000_123_u64);
    assert_eq!(value.as_object().unwrap().len(), 9);
    let delivery = crate::truth::proof::open(text.as_bytes(), MESSAGE.run).unwrap();
    assert_eq!((delivery.check, delivery.sequence), (crate::truth::proof::Check::Intact, 7));
}

#[test]
fn one_reading_in_ten_exceeds_80_and_most_lie_between_60_and_90() {
    let (mut above, mut usual) = (0, 0);
    for device in 0..200 {
        let mut sensor = Sensor::new(7, device);
        for _ in 0..100 {
            let temperature = sensor.read().temperature_tenths;
            above += u32::from(temperature > 800);
            usual += u32::from((600..=900).contains(&temperature));
        }
    }
    assert!((1_600..2_400).contains(&above), "{above} of 20000 above 80");
    assert!(usual > 18_500, "{usual} of 20000 between 60 and 90");
}

#[test]
fn the_same_seed_gives_the_same_readings() {
    let read = |seed, device| {
        let mut sensor = Sensor::new(seed, device);
        [(); 20].map(|()| sensor.read())
    };
    assert_eq!(read(7, 1), read(7, 1));
    assert_ne!(read(7, 1), read(7, 2));
}
