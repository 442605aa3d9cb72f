//! UTF-8 strings that are slices of the read buffer.

use bytes::Bytes;
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

/// A UTF-8 encoded string of at most 65,535 bytes without U+0000 (section 1.5.4 of MQTT 5). Cloning shares the bytes.
#[derive(Clone, Default)]
pub struct Text(Bytes);

impl Text {
    /// The string held by `bytes`, without copying.
    ///
    /// # Errors
    /// When the bytes are not a legal MQTT string.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TextError> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(TextError::TooLong);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| TextError::NotUtf8)?;
        if text.as_bytes().contains(&0) {
            return Err(TextError::Null);
        }
        Ok(Self(bytes))
    }

    /// The string that a literal of the program holds.
    ///
    /// # Errors
    /// When the literal is not a legal MQTT string.
    pub fn from_static(text: &'static str) -> Result<Self, TextError> {
        Self::from_bytes(Bytes::from_static(text.as_bytes()))
    }

    /// The string as Rust knows it.
    pub fn as_str(&self) -> &str {
        // Every constructor checked the bytes; the standard library's check is repeated because `unsafe` is forbidden here and
        // a name is at most a few hundred bytes.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes without the length prefix.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
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

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
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
