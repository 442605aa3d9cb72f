//! Passes whole values.

use super::{DEPTH_MAX, Fault, Kind, Reader};

impl<'t> Reader<'t> {
    /// Passes the next value, whatever it is, and gives it as it is written. `depth` is how deep it lies.
    pub(crate) fn value(&mut self, depth: usize) -> Result<&'t str, Fault> {
        self.space();
        let start = self.offset();
        // One bit for each open bracket: set for an object.
        let (mut open, mut objects) = (0_usize, 0_u128);
        loop {
            let has_opened = self.begin(&mut open, &mut objects, depth)?;
            if has_opened {
                continue;
            }
            if self.close(&mut open, &mut objects)? {
                return Ok(&self.text[start..self.offset()]);
            }
        }
    }

    /// Passes a scalar, or the beginning of a container that has members: up to its first value.
    fn begin(&mut self, open: &mut usize, objects: &mut u128, depth: usize) -> Result<bool, Fault> {
        match self.kind()? {
            Kind::Text => self.raw_text().map(|_| false),
            Kind::Number => self.number().map(|_| false),
            Kind::True => self.literal("true").map(|()| false),
            Kind::False => self.literal("false").map(|()| false),
            Kind::Null => self.literal("null").map(|()| false),
            kind @ (Kind::Object | Kind::Array) => {
                if depth + *open >= DEPTH_MAX {
                    return self.fault("no deeper nesting than 127");
                }
                let is_object = kind == Kind::Object;
                self.offset += 1;
                if self.pass(if is_object { b'}' } else { b']' }) {
                    return Ok(false);
                }
                *objects = *objects << 1 | u128::from(is_object);
                *open += 1;
                if is_object {
                    self.name()?;
                }
                Ok(true)
            }
        }
    }

    /// Passes what comes behind a value: ends of containers, or a comma. Says whether everything is closed.
    fn close(&mut self, open: &mut usize, objects: &mut u128) -> Result<bool, Fault> {
        while *open > 0 {
            let is_object = *objects & 1 == 1;
            if self.pass(b',') {
                if is_object {
                    self.name()?;
                }
                return Ok(false);
            }
            let (end, expected) = if is_object { (b'}', "`,` or `}`") } else { (b']', "`,` or `]`") };
            self.expect(end, expected)?;
            *objects >>= 1;
            *open -= 1;
        }
        Ok(true)
    }

    fn name(&mut self) -> Result<(), Fault> {
        self.space();
        self.raw_text()?;
        self.expect(b':', "`:`")
    }
}
