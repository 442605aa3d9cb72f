//! Looking for a member in a text that nobody has read yet.
//!
//! A text without backslashes holds the name of a member only between quotes and before a colon, if it is JSON at all. So whoever finds no value
//! that would do knows, without reading the text, that there is none.

use memchr::memmem::Finder;

use super::token::Cursor;
use super::{Kind, Scalar};

/// A name to look for.
#[derive(Debug, Clone)]
pub(crate) struct Sought {
    /// Finds the name in its quotes.
    quoted: Finder<'static>,
}

impl Sought {
    /// `None` for names that could be seen across the quotes of two strings.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let is_simple =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_simple.then(|| Self { quoted: Finder::new(&format!("\"{name}\"")).into_owned() })
    }

    /// Whether no member of this name, at any depth of a text without backslashes, has a value that would do. `may_do` is asked about scalars;
    /// arrays, objects and what is no JSON may do.
    pub(crate) fn is_nowhere<'t>(&self, text: &'t str, mut may_do: impl FnMut(Scalar<'t>) -> bool) -> bool {
        let bytes = text.as_bytes();
        let length = self.quoted.needle().len();
        self.quoted.find_iter(bytes).all(|at| {
            let mut cursor = Cursor::new(bytes, at + length);
            if cursor.after_space() != Some(b':') {
                // A string like any other, or no JSON.
                return true;
            }
            cursor.pass();
            scalar(text, &mut cursor).is_some_and(|scalar| !may_do(scalar))
        })
    }
}

/// The scalar that comes.
fn scalar<'t>(text: &'t str, cursor: &mut Cursor<'_>) -> Option<Scalar<'t>> {
    let byte = cursor.after_space()?;
    let start = cursor.at();
    let kind = match byte {
        b'"' => Kind::Plain,
        b't' => Kind::True,
        b'f' => Kind::False,
        b'n' => Kind::Null,
        b'-' | b'0'..=b'9' => Kind::Number,
        _ => return None,
    };
    cursor.scalar(byte)?;
    let quote = usize::from(kind == Kind::Plain);
    Some(Scalar { kind, raw: text.get(start + quote..cursor.at() - quote)? })
}
