//! CBOR (RFC 8949) to values, converted as its section 6.1 advises for JSON.
//!
//! An extension of the dialect: AWS has no such scheme. The input bounds the work, as every item takes at least a byte;
//! the depth is bounded besides. Must not know statements or messages.

use std::borrow::Cow;

use crate::number::Number;
use crate::value::{Value, write_text};

/// The largest input, in bytes.
const BYTES_MAX: usize = 512 * 1024;

/// How deep items may stand inside each other.
const DEPTH_MAX: usize = 100;

/// The value that the bytes hold; `None` when they are not one well-formed item, or too large or deep.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value<'static>> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let mut reader = Reader { rest: bytes };
    let value = reader.item(0)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'b> {
    rest: &'b [u8],
}

/// The first byte of an item and the number behind it.
struct Head {
    major: u8,
    /// The lower five bits.
    detail: u8,
    number: u64,
}

/// The detail of an item without a stated length, and of the mark that ends it.
const INDEFINITE: u8 = 31;

impl Reader<'_> {
    fn take(&mut self, count: u64) -> Option<&[u8]> {
        let count = usize::try_from(count).ok().filter(|count| *count <= self.rest.len())?;
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(taken)
    }

    fn head(&mut self) -> Option<Head> {
        let first = *self.take(1)?.first()?;
        let (major, detail) = (first >> 5, first & 0x1f);
        let number = match detail {
            0..=23 => u64::from(detail),
            24..=27 => {
                let bytes = self.take(1 << (detail - 24))?;
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
            INDEFINITE => 0,
            _ => return None,
        };
        Some(Head { major, detail, number })
    }

    /// Whether the mark that ends an item of unstated length is next; takes it.
    fn ends(&mut self) -> bool {
        let ends = self.rest.first() == Some(&0xff);
        if ends {
            self.rest = &self.rest[1..];
        }
        ends
    }

    fn item(&mut self, depth: usize) -> Option<Value<'static>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let head = self.head()?;
        let is_indefinite = head.detail == INDEFINITE;
        match head.major {
            0 | 1 if is_indefinite => None,
            0 => Number::new(i128::from(head.number), 0, false).map(Value::Number),
            1 => Number::new(-1 - i128::from(head.number), 0, false).map(Value::Number),
            2 => self.bytes(&head).map(|bytes| Value::string(crate::functions::base64_text(&bytes))),
            3 => String::from_utf8(self.bytes(&head)?).ok().map(Value::string),
            4 => self.array(&head, depth),
            5 => self.map(&head, depth),
            6 if is_indefinite => None,
            6 => self.tagged(head.number, depth),
            _ => simple(&head),
        }
    }

    /// A string, or the pieces of one without a stated length.
    fn bytes(&mut self, head: &Head) -> Option<Vec<u8>> {
        if head.detail != INDEFINITE {
            return self.take(head.number).map(<[u8]>::to_vec);
        }
        let mut bytes = Vec::new();
        while !self.ends() {
            let piece =
                self.head().filter(|piece| piece.major == head.major && piece.detail != INDEFINITE)?;
            bytes.extend_from_slice(self.take(piece.number)?);
        }
        Some(bytes)
    }

    /// Whether another element comes after `read` of them.
    fn goes_on(&mut self, head: &Head, read: u64) -> bool {
        if head.detail == INDEFINITE { !self.ends() } else { read < head.number }
    }

    fn array(&mut self, head: &Head, depth: usize) -> Option<Value<'static>> {
        let mut elements = Vec::new();
        while self.goes_on(head, elements.len() as u64) {
            elements.push(self.item(depth + 1)?);
        }
        Some(Value::array(elements))
    }

    fn map(&mut self, head: &Head, depth: usize) -> Option<Value<'static>> {
        let mut members = Vec::new();
        while self.goes_on(head, members.len() as u64) {
            let name = name(&self.item(depth + 1)?)?;
            members.push((Cow::Owned(name), self.item(depth + 1)?));
        }
        Some(Value::object(members))
    }

    /// Whole numbers of any length are numbers, as far as those go; of other tags only what is tagged is kept.
    fn tagged(&mut self, tag: u64, depth: usize) -> Option<Value<'static>> {
        if !matches!(tag, 2 | 3) {
            return self.item(depth + 1);
        }
        let head = self.head().filter(|head| head.major == 2)?;
        let bytes = self.bytes(&head)?;
        let digits = bytes.iter().position(|byte| *byte != 0).map_or(&[][..], |start| &bytes[start..]);
        if digits.len() > 15 {
            return None;
        }
        let magnitude = digits.iter().fold(0i128, |number, byte| number << 8 | i128::from(*byte));
        Number::new(if tag == 2 { magnitude } else { -1 - magnitude }, 0, false).map(Value::Number)
    }
}

/// Names that are no texts become the text of what they are. An array or object is no name: inside its text the names
/// of its own would be escaped once more, and so a few bytes of names in names would double at every level.
fn name(value: &Value<'_>) -> Option<String> {
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        return None;
    }
    let mut name = String::new();
    write_text(value, false, &mut name);
    Some(name)
}

/// Booleans, null and floating point; what JSON doesn't have is null.
fn simple(head: &Head) -> Option<Value<'static>> {
    let number = |text: String| {
        Number::parse_json(&text).map_or(Value::Null, |number| Value::Number(number.as_decimal()))
    };
    match head.detail {
        20 => Some(Value::Boolean(false)),
        21 => Some(Value::Boolean(true)),
        0..=19 | 22..=24 => Some(Value::Null),
        25 => Some(number(format!("{:e}", half(head.number as u16)))),
        26 => Some(number(format!("{:e}", f32::from_bits(head.number as u32)))),
        27 => Some(number(format!("{:e}", f64::from_bits(head.number)))),
        _ => None,
    }
}

/// A number of half precision, exactly.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::write_json;

    fn json(digits: &str) -> Option<String> {
        let value = decode(&hex::decode(digits.replace(' ', "")).unwrap())?;
        let mut text = String::new();
        write_json(&value, false, &mut text);
        Some(text)
    }

    /// The examples of RFC 8949, appendix A, and what becomes of things that JSON doesn't have.
    #[test]
    fn items_become_values() {
        for (digits, wanted) in [
            ("00", "0"),
            ("1864", "100"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("3bffffffffffffffff", "-18446744073709551616"),
            ("c249010000000000000000", "18446744073709551616"),
            ("c349010000000000000000", "-18446744073709551617"),
            ("f93e00", "1.5"),
            ("f90001", "5.960464477539063E-8"),
            ("fa3fcccccd", "1.6"),
            ("fbc010666666666666", "-4.1"),
            ("f97c00", "null"),
            ("f97e00", "null"),
            ("f4", "false"),
            ("f5", "true"),
            ("f6", "null"),
            ("f7", "null"),
            ("c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""),
            ("4401020304", "\"AQIDBA==\""),
            ("6161", "\"a\""),
            ("7f657374726561646d696e67ff", "\"streaming\""),
            ("5f42010243030405ff", "\"AQIDBAU=\""),
            ("83010203", "[1,2,3]"),
            ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
            ("a26161016162820203", "{\"a\":1,\"b\":[2,3]}"),
            ("bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}"),
            ("a201020304", "{\"1\":2,\"3\":4}"),
            ("a2616101616102", "{\"a\":2}"),
        ] {
            assert_eq!(json(digits).as_deref(), Some(wanted), "{digits}");
        }
    }

    #[test]
    fn what_is_not_one_well_formed_item_is_none() {
        for digits in [
            "",
            "0000",
            "18",
            "1c",
            "6261",
            "62c328",
            "ff",
            "1f",
            "5f6161ff",
            "9f01",
            "a101",
            "c2f6",
            "5b7fffffffffffffff",
        ] {
            assert_eq!(json(digits), None, "{digits}");
        }
        assert_eq!(json(&format!("{}00", "81".repeat(100))).map(|text| text.len()), Some(201));
        assert_eq!(json(&format!("{}00", "81".repeat(101))), None);
        assert!(decode(&vec![0x81; BYTES_MAX]).is_none());
        // A length beyond what is there reserves nothing.
        assert_eq!(json("9bffffffffffffffff00"), None);
    }

    #[test]
    fn maps_and_arrays_are_no_names() {
        for levels in [1, 2, 12, 64, 90] {
            let nested = format!("{}6161{}", "a1".repeat(levels), "01".repeat(levels));
            assert_eq!(json(&nested).is_some(), levels == 1, "{levels}");
        }
        for name in ["80", "8101", "a0", "c680", "9fff"] {
            assert_eq!(json(&format!("a1{name}01")), None, "{name}");
        }
        assert_eq!(json("a1f501").as_deref(), Some("{\"true\":1}"));
        assert_eq!(json("a1430102030a").as_deref(), Some("{\"AQID\":10}"));
    }

    /// Bytes of which most begin a map, so that maps stand in maps as values and as names.
    fn maps() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => Just(0xa1), 1 => Just(0xa2), 1 => Just(0xbf), 2 => 0x00..0x18u8, 1 => Just(0x60), 1 => Just(0xff)];
        prop::collection::vec(byte, 0..256)
    }

    proptest! {
        #[test]
        fn what_is_made_is_in_proportion_to_what_is_read(bytes in maps()) {
            if let Some(value) = decode(&bytes) {
                let mut text = String::new();
                write_json(&value, false, &mut text);
                prop_assert!(text.len() <= 16 * bytes.len(), "{} of {}", text.len(), bytes.len());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
