//! Passes whole values.

use super::{DEPTH_MAX, Fault, Kind, NO_DEEPER, Reader};

/// The brackets that are open.
#[derive(Default)]
struct Open {
    count: usize,
    /// A bit for each, the outermost first: set for an object.
    objects: [u64; DEPTH_MAX.div_ceil(64)],
}

impl Open {
    /// There is room: no more than [`DEPTH_MAX`] are open.
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (self.count / 64, self.count % 64);
        self.objects[word] = self.objects[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.count += 1;
    }

    /// Whether the innermost is an object's; `None` if none is open.
    fn innermost(&self) -> Option<bool> {
        let place = self.count.checked_sub(1)?;
        Some(self.objects[place / 64] >> (place % 64) & 1 == 1)
    }
}

impl<'t> Reader<'t> {
    /// Passes the next value, whatever it is, and gives it as it is written. `depth` is how deep it lies.
    pub(crate) fn value(&mut self, depth: usize) -> Result<&'t str, Fault> {
        self.space();
        let start = self.offset();
        let mut open = Open::default();
        loop {
            let has_opened = self.begin(&mut open, depth)?;
            if has_opened {
                continue;
            }
            if self.close(&mut open)? {
                return Ok(&self.text[start..self.offset()]);
            }
        }
    }

    /// Passes a scalar, or the beginning of a container that has members: up to its first value.
    fn begin(&mut self, open: &mut Open, depth: usize) -> Result<bool, Fault> {
        match self.kind()? {
            Kind::Text => self.raw_text().map(|_| false),
            Kind::Number => self.number().map(|_| false),
            Kind::True => self.literal("true").map(|()| false),
            Kind::False => self.literal("false").map(|()| false),
            Kind::Null => self.literal("null").map(|()| false),
            kind @ (Kind::Object | Kind::Array) => {
                if depth + open.count >= DEPTH_MAX {
                    return self.fault(NO_DEEPER);
                }
                let is_object = kind == Kind::Object;
                self.offset += 1;
                if self.pass(if is_object { b'}' } else { b']' }) {
                    return Ok(false);
                }
                open.push(is_object);
                if is_object {
                    self.name()?;
                }
                Ok(true)
            }
        }
    }

    /// Passes what comes behind a value: ends of containers, or a comma. Says whether everything is closed.
    fn close(&mut self, open: &mut Open) -> Result<bool, Fault> {
        while let Some(is_object) = open.innermost() {
            if self.pass(b',') {
                if is_object {
                    self.name()?;
                }
                return Ok(false);
            }
            let (end, expected) = if is_object { (b'}', "`,` or `}`") } else { (b']', "`,` or `]`") };
            self.expect(end, expected)?;
            open.count -= 1;
        }
        Ok(true)
    }

    fn name(&mut self) -> Result<(), Fault> {
        self.space();
        self.raw_text()?;
        self.expect(b':', "`:`")
    }
}
