//! Bytes decoded into values while a statement runs: `decode` with the schemes `proto` and `cbor`.

use std::borrow::Cow;

use crate::cbor;
use crate::evaluate::{Evaluation, Scope};
use crate::functions::base64_bytes;
use crate::json::Tape;
use crate::misfit::MisfitKind;
use crate::plan::{DecodePlan, Scheme};
use crate::value::Value;

impl<'v> Evaluation<'v> {
    /// Undefined when what is to be decoded is no String, Null when it can't be decoded: as with base64.
    pub(crate) fn decoded(&self, decode: &'v DecodePlan, scope: Scope<'_, 'v>) -> Value<'v> {
        let bytes = match &decode.source {
            None => Some(Cow::Borrowed(self.message.payload().bytes())),
            Some(plan) => match self.value(plan, scope) {
                Value::String(text) => base64_bytes(&text).map(Cow::Owned),
                other => {
                    if other.is_there() {
                        self.misfit(MisfitKind::Function);
                    }
                    return Value::Undefined;
                }
            },
        };
        self.charge(bytes.as_ref().map_or(0, |bytes| bytes.len()));
        if self.has_stopped() {
            return Value::Undefined;
        }
        let value = bytes.and_then(|bytes| match &decode.scheme {
            Scheme::Cbor => cbor::decode(&bytes),
            Scheme::Proto(message) => {
                let json = message.json(&bytes, self.options.output_bytes_max)?;
                Tape::read(&json).map(|tape| Value::copied_from(tape.root(&json)))
            }
        });
        match value {
            Some(value) => self.bounded(value),
            None => {
                self.misfit(MisfitKind::Function);
                Value::Null
            }
        }
    }
}
