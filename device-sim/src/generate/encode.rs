//! JSON and CBOR, written value by value.

/// Something that values are written to.
pub(super) trait Encoder {
    fn null(&mut self);
    fn boolean(&mut self, value: bool);
    fn integer(&mut self, value: i64);
    fn number(&mut self, value: f64);
    /// `scaled` divided by ten to the power of `decimals`.
    fn decimal(&mut self, scaled: i64, decimals: u8);
    fn text(&mut self, text: &str);
    /// Begins a map with so many members; each is a name and a value.
    fn map(&mut self, members: usize);
    fn name(&mut self, first: bool, name: &str);
    fn end_map(&mut self);
    /// Begins a list with so many elements.
    fn list(&mut self, elements: usize);
    fn element(&mut self, first: bool);
    fn end_list(&mut self);
}

/// JSON text.
pub(super) struct Json<'a>(pub(super) &'a mut Vec<u8>);

impl Encoder for Json<'_> {
    fn null(&mut self) {
        self.0.extend_from_slice(b"null");
    }

    fn boolean(&mut self, value: bool) {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn integer(&mut self, value: i64) {
        digits(self.0, value, 0);
    }

    fn number(&mut self, value: f64) {
        serde_json::to_writer(&mut *self.0, &value).expect("a number can be written to memory");
    }

    fn decimal(&mut self, scaled: i64, decimals: u8) {
        digits(self.0, scaled, decimals);
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.0, text).expect("a text can be written to memory");
    }

    fn map(&mut self, _members: usize) {
        self.0.push(b'{');
    }

    fn name(&mut self, first: bool, name: &str) {
        self.element(first);
        self.text(name);
        self.0.push(b':');
    }

    fn end_map(&mut self) {
        self.0.push(b'}');
    }

    fn list(&mut self, _elements: usize) {
        self.0.push(b'[');
    }

    fn element(&mut self, first: bool) {
        if !first {
            self.0.push(b',');
        }
    }

    fn end_list(&mut self) {
        self.0.push(b']');
    }
}

/// A decimal number as text, with as many digits after the point as it has, and at least one before it.
pub(super) fn digits(out: &mut Vec<u8>, scaled: i64, decimals: u8) {
    // A sign, 19 digits, and a point; decimals are at most as many as the digits.
    let mut text = [0_u8; 40];
    let mut place = text.len();
    let mut rest = scaled.unsigned_abs();
    let mut written = 0;
    while rest > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            place -= 1;
            text[place] = b'.';
        }
        place -= 1;
        text[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
        written = written.saturating_add(1);
    }
    if scaled < 0 {
        place -= 1;
        text[place] = b'-';
    }
    out.extend_from_slice(&text[place..]);
}

/// CBOR, RFC 8949.
pub(super) struct Cbor<'a>(pub(super) &'a mut Vec<u8>);

impl Cbor<'_> {
    /// A major type with its number, as short as it can be.
    fn head(&mut self, major: u8, number: u64) {
        let (major, bytes) = (major << 5, number.to_be_bytes());
        match number {
            0..24 => self.0.push(major | bytes[7]),
            24..0x100 => self.0.extend_from_slice(&[major | 24, bytes[7]]),
            0x100..0x1_0000 => {
                self.0.push(major | 25);
                self.0.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..0x1_0000_0000 => {
                self.0.push(major | 26);
                self.0.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&bytes);
            }
        }
    }
}

impl Encoder for Cbor<'_> {
    fn null(&mut self) {
        self.0.push(0xF6);
    }

    fn boolean(&mut self, value: bool) {
        self.0.push(if value { 0xF5 } else { 0xF4 });
    }

    fn integer(&mut self, value: i64) {
        // A negative number stands as its distance from -1.
        let (major, number) = if value < 0 { (1, -1 - value) } else { (0, value) };
        self.head(major, number.unsigned_abs());
    }

    fn number(&mut self, value: f64) {
        self.0.push(0xFB);
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn decimal(&mut self, scaled: i64, decimals: u8) {
        if decimals == 0 {
            self.integer(scaled);
        } else {
            self.number(scaled as f64 / 10_f64.powi(decimals.into()));
        }
    }

    fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn map(&mut self, members: usize) {
        self.head(5, members as u64);
    }

    fn name(&mut self, _first: bool, name: &str) {
        self.text(name);
    }

    fn end_map(&mut self) {}

    fn list(&mut self, elements: usize) {
        self.head(4, elements as u64);
    }

    fn element(&mut self, _first: bool) {}

    fn end_list(&mut self) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_written_as_people_write_them() {
        for (scaled, decimals, text) in [
            (725, 1, "72.5"),
            (-5, 1, "-0.5"),
            (0, 2, "0.00"),
            (7, 0, "7"),
            (0, 0, "0"),
            (-1234, 3, "-1.234"),
            (i64::MIN, 0, "-9223372036854775808"),
        ] {
            let mut out = Vec::new();
            digits(&mut out, scaled, decimals);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn both_formats_say_the_same_number(scaled in -1_000_000_000_000_000..1_000_000_000_000_000_i64, decimals in 0..=6_u8) {
            let (mut json, mut cbor) = (Vec::new(), Vec::new());
            Json(&mut json).decimal(scaled, decimals);
            Cbor(&mut cbor).decimal(scaled, decimals);
            let json: f64 = serde_json::from_slice(&json).unwrap();
            let cbor: f64 = match ciborium::from_reader(cbor.as_slice()).unwrap() {
                ciborium::Value::Integer(integer) => i128::from(integer) as f64,
                ciborium::Value::Float(float) => float,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(json, cbor);
        }

        #[test]
        fn cbor_is_what_another_library_reads(integer: i64, text: String, number in -1e9..1e9_f64) {
            let mut out = Vec::new();
            let mut cbor = Cbor(&mut out);
            cbor.list(5);
            cbor.integer(integer);
            cbor.text(&text);
            cbor.number(number);
            cbor.boolean(true);
            cbor.null();
            let read: (i64, String, f64, bool, Option<u8>) = ciborium::from_reader(out.as_slice()).unwrap();
            prop_assert_eq!(read, (integer, text, number, true, None));
        }
    }
}
