//! How rows and states are written: numbers of variable length, texts with their length.
//!
//! Reading never panics and never asks for more memory than the bytes it is given could fill.

use crate::number::Number;

/// What is read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A whole number; `None` when it isn't in its shortest form, so that one value has one form.
    fn wide(&mut self) -> Option<u128> {
        let mut value = 0u128;
        for place in 0..19 {
            let byte = self.byte()?;
            let digits = u128::from(byte & 0x7f);
            if place == 18 && digits > 0b11 {
                return None;
            }
            value |= digits << (7 * place);
            if byte & 0x80 == 0 {
                return (byte != 0 || place == 0).then_some(value);
            }
        }
        None
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        u64::try_from(self.wide()?).ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        i64::try_from(unfolded(self.wide()?)).ok()
    }

    /// How many items follow, each of at least a byte.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.unsigned()?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }

    pub(super) fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn number(&mut self) -> Option<Number> {
        let places = self.signed()?;
        let (exponent, decimal) = (i32::try_from(places >> 1).ok()?, places & 1 == 1);
        let coefficient = unfolded(self.wide()?);
        let number = Number::new(coefficient, exponent, decimal)?;
        (number.parts() == (coefficient, exponent, decimal)).then_some(number)
    }
}

/// Small numbers of either sign as small numbers without one.
fn folded(value: i128) -> u128 {
    (value << 1 ^ value >> 127) as u128
}

fn unfolded(value: u128) -> i128 {
    (value >> 1) as i128 ^ -((value & 1) as i128)
}

fn push_wide(out: &mut Vec<u8>, mut value: u128) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    push_wide(out, u128::from(value));
}

pub(super) fn push_signed(out: &mut Vec<u8>, value: i64) {
    push_wide(out, folded(i128::from(value)));
}

pub(super) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn push_number(out: &mut Vec<u8>, number: Number) {
    let (coefficient, exponent, decimal) = number.parts();
    push_signed(out, i64::from(exponent) << 1 | i64::from(decimal));
    push_wide(out, folded(coefficient));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            unsigned: u64, signed: i64, bytes: Vec<u8>, coefficient: i128, exponent in -1100i32..1100, decimal: bool,
        ) {
            let number = Number::new(coefficient, exponent, decimal);
            let mut out = Vec::new();
            push_unsigned(&mut out, unsigned);
            push_signed(&mut out, signed);
            push_bytes(&mut out, &bytes);
            if let Some(number) = number {
                push_number(&mut out, number);
            }
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.unsigned(), Some(unsigned));
            prop_assert_eq!(reader.signed(), Some(signed));
            prop_assert_eq!(reader.bytes(), Some(bytes.as_slice()));
            if let Some(number) = number {
                prop_assert_eq!(reader.number().map(Number::parts), Some(number.parts()));
            }
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let reader = Reader::new(&bytes);
            if let Some(number) = { reader }.number() {
                let mut out = Vec::new();
                push_number(&mut out, number);
                prop_assert!(bytes.starts_with(&out));
            }
            if let Some(signed) = { reader }.signed() {
                let mut out = Vec::new();
                push_signed(&mut out, signed);
                prop_assert!(bytes.starts_with(&out));
            }
            let _ = ({ reader }.text(), { reader }.count(), { reader }.array::<8>());
        }
    }
}
