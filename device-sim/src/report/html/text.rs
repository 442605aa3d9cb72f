//! Numbers and names as people read them, and as HTML must hold them.

/// Text that may stand between tags and in quoted attributes, whatever it was.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters and those that turn the direction of text have no place in a report.
            character if character.is_control() || is_invisible(character) => safe.push('\u{fffd}'),
            character => safe.push(character),
        }
    }
    safe
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// JSON that may stand inside a script element: nothing in it can end the element.
pub(super) fn json_for_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// `1234567` as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with three digits that matter, or as many as it has before the point.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    if size >= 100.0 || size == value.abs().trunc() && size < 1e15 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    let decimals = if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration in the unit that suits its size.
pub(super) fn micros(micros: f64) -> String {
    if micros < 1000.0 {
        format!("{} µs", number(micros))
    } else if micros < 1e6 {
        format!("{} ms", number(micros / 1e3))
    } else {
        format!("{} s", number(micros / 1e6))
    }
}

/// An amount of memory.
pub(super) fn bytes(bytes: f64) -> String {
    if bytes < 1e3 {
        format!("{} B", number(bytes))
    } else if bytes < 1e6 {
        format!("{} kB", number(bytes / 1e3))
    } else {
        format!("{} MB", number(bytes / 1e6))
    }
}

/// A moment of a run: `42 s`, `2:05`, `1:02:05`.
pub(super) fn moment(secs: f64) -> String {
    if secs < 120.0 {
        return format!("{} s", number((secs * 10.0).round() / 10.0));
    }
    clock(secs)
}

/// A moment as a clock shows it: `0:30`, `1:02:05`.
pub(super) fn clock(secs: f64) -> String {
    let whole = secs.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `1 device`, `2 devices`.
pub(super) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (1.0, "1"),
            (1.239, "1.24"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234_567.8, "1,234,568"),
            (-4.5, "-4.5"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
        for (value, text) in [(7.0, "7 µs"), (999.0, "999 µs"), (1500.0, "1.5 ms"), (2_340_000.0, "2.34 s")]
        {
            assert_eq!(micros(value), text);
        }
        for (value, text) in
            [(0.0, "0 s"), (5.04, "5 s"), (99.5, "99.5 s"), (125.0, "2:05"), (3725.0, "1:02:05")]
        {
            assert_eq!(moment(value), text);
        }
        for (value, text) in [(900.0, "900 B"), (20_480.0, "20.5 kB"), (3e6, "3 MB")] {
            assert_eq!(bytes(value), text);
        }
        assert_eq!(
            [plural(1, "device", "devices"), plural(1200, "device", "devices")],
            ["1 device", "1,200 devices"]
        );
    }

    #[test]
    fn what_a_server_says_cannot_become_markup() {
        assert_eq!(escape("<b a='x\">&\u{202e}\u{7}"), "&lt;b a=&#39;x&quot;&gt;&amp;\u{fffd}\u{fffd}");
        assert_eq!(json_for_script("\"</script>&\""), "\"\\u003c/script\\u003e\\u0026\"");
    }
}
