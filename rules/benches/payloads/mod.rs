//! The messages that are measured with.

/// About 200 bytes, as a device of the demo sends.
pub(crate) const SMALL: &str = r#"{"deviceId":"device-0001","sequence":17,"sentAtMs":1700000000000,"temperature":81.3,"humidity":40.2,"line":"a","position":{"x":12.5,"y":-3.25},"firmware":"2.4.1","battery":97,"flags":["ok","calibrated"],"state":"run"}"#;

/// Their sizes, in words.
pub(crate) const SIZES: [&str; 2] = ["200 B", "2 KB"];

/// The message of a size.
pub(crate) fn payload(size: &str) -> String {
    if size == SIZES[0] { SMALL.to_owned() } else { large() }
}

/// About 2 KB: the small one and forty readings.
fn large() -> String {
    let readings: Vec<String> =
        (0..40).map(|n| format!(r#"{{"name":"sensor-{n}","value":{n}.25,"unit":"C"}}"#)).collect();
    format!("{},\"readings\":[{}]}}", &SMALL[..SMALL.len() - 1], readings.join(","))
}
