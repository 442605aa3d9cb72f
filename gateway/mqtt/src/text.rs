//! UTF-8 strings that are slices of the read buffer.

use crate::Fault;
use crate::scan::holds_any;
use bytes::Bytes;
use bytestring::ByteString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Why bytes are not an MQTT UTF-8 string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not well-formed UTF-8, or encodes a surrogate `[MQTT-1.5.4-1]`.
    #[error("not well-formed UTF-8")]
    NotUtf8,
    /// Contains U+0000 `[MQTT-1.5.4-2]`.
    #[error("contains the null character U+0000")]
    Null,
    /// Longer than the two-byte length prefix can say.
    #[error("longer than 65,535 bytes")]
    TooLong,
}

/// Whether bytes are a legal string, whatever their length.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<(), TextError> {
    if holds_any(bytes, [0]) {
        return Err(TextError::Null);
    }
    std::str::from_utf8(bytes).map(|_| ()).map_err(|_| TextError::NotUtf8)
}

impl From<TextError> for Fault {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Null => Self::TextWithNull,
            TextError::NotUtf8 => Self::TextNotUtf8,
            TextError::TooLong => Self::Truncated,
        }
    }
}

/// A UTF-8 encoded string of at most 65,535 bytes without U+0000 (section 1.5.4 of MQTT 5). Cloning shares the bytes.
///
/// Checked once, when made: reading it back costs nothing.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(ByteString);

impl Text {
    /// The string held by `bytes`, without copying.
    ///
    /// # Errors
    /// When the bytes are not a legal MQTT string.
    #[inline]
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TextError> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(TextError::TooLong);
        }
        if holds_any(&bytes, [0]) {
            return Err(TextError::Null);
        }
        ByteString::try_from(bytes).map(Self).map_err(|_| TextError::NotUtf8)
    }

    /// The string that a literal of the program holds.
    ///
    /// # Errors
    /// When the literal is not a legal MQTT string.
    pub fn from_static(text: &'static str) -> Result<Self, TextError> {
        Self::from_bytes(Bytes::from_static(text.as_bytes()))
    }

    /// The string as Rust knows it.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes without the length prefix.
    #[inline]
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// Whether it contains one of the control characters U+0001 to U+001F and U+007F to U+009F, which a sender should leave out and a
    /// receiver may refuse (section 1.5.4 of MQTT 5).
    #[inline]
    pub fn has_control_character(&self) -> bool {
        let bytes = self.as_bytes();
        // U+0080 to U+009F are the byte 0xC2 and one below 0xA0; every other control character is one byte.
        let mut holds_c2 = false;
        let mut holds_control = false;
        for byte in bytes {
            holds_c2 |= *byte == 0xC2;
            holds_control |= *byte < 0x20 || *byte == 0x7F;
        }
        holds_control || (holds_c2 && self.chars().any(char::is_control))
    }

    /// A part of this string, which `part` must be a slice of, without copying.
    pub(crate) fn part(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part))
    }

    /// The same string in memory of its own, for keeping: a slice of the read buffer keeps the whole buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(ByteString::from(self.as_str()))
    }
}

impl TryFrom<&str> for Text {
    type Error = TextError;

    fn try_from(text: &str) -> Result<Self, TextError> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::from_bytes(Bytes::from(text))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `str` hashes, so that a map keyed by text can be asked with a `&str`.
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_found_wherever_they_are() {
        let holds = |text: &str| Text::try_from(text).unwrap().has_control_character();
        for control in ['\u{1}', '\u{9}', '\u{1f}', '\u{7f}', '\u{80}', '\u{9f}'] {
            assert!(holds(&format!("plant/é/{control}x")), "section 1.5.4: {control:?}");
        }
        for text in ["", "plant/1 ~", "größe/\u{a0}/\u{c2}/°", "温度/\u{2028}/\u{feff}"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn refuses_what_the_standard_forbids_in_a_string() {
        let check = |bytes: &[u8]| Text::from_bytes(Bytes::copy_from_slice(bytes)).err();
        assert_eq!(check(b"plant/1"), None);
        assert_eq!(check("größe/\u{feff}".as_bytes()), None, "[MQTT-1.5.4-3] a byte order mark is kept");
        assert_eq!(check(b"a\0b"), Some(TextError::Null), "[MQTT-1.5.4-2]");
        assert_eq!(check(&[0xED, 0xA0, 0x80]), Some(TextError::NotUtf8), "[MQTT-1.5.4-1] a surrogate");
        assert_eq!(check(&[0xC0, 0x80]), Some(TextError::NotUtf8), "[MQTT-1.5.4-1] an overlong form");
        assert_eq!(check(&vec![b'a'; 65_535]), None);
        assert_eq!(check(&vec![b'a'; 65_536]), Some(TextError::TooLong));
    }
}
