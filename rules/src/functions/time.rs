//! Times as text.

use super::Function;

pub(super) const FUNCTIONS: &[Function] = &[];
