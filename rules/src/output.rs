//! What SELECT makes: values for subqueries, JSON text for actions.

use std::borrow::Cow;

use crate::evaluate::{Evaluation, Scope};
use crate::json::write_string;
use crate::plan::{ItemPlan, Plan, Projection};
use crate::statement::{Fault, Output, SqlVersion};
use crate::value::{Builder, Value, write_json};

impl<'v> Evaluation<'v> {
    /// The result of the outermost SELECT.
    pub(crate) fn output(&self, projection: &'v Projection) -> Result<Output, Fault> {
        if self.is_raw(projection) {
            return Ok(Output::Raw(bytes::Bytes::copy_from_slice(self.message.payload().bytes())));
        }
        let mut text = String::with_capacity(256);
        match projection {
            Projection::Items { items, is_flat: true } => self.write_flat(items, &mut text),
            Projection::Value(plan) => {
                write_json(&self.bare_value(plan), self.keep_decimal_point(), &mut text);
            }
            other => write_json(&self.projected(other, Scope::Payload), self.keep_decimal_point(), &mut text),
        }
        self.fault()?;
        let bytes_max = self.options.output_bytes_max;
        match text.len() {
            0 => Ok(Output::Empty),
            length if length > bytes_max => Err(Fault::TooLarge { bytes_max }),
            _ => Ok(Output::Json(text.into())),
        }
    }

    /// `SELECT *` hands on a payload that isn't JSON as it is.
    fn is_raw(&self, projection: &Projection) -> bool {
        let is_star = match projection {
            Projection::Value(plan) => matches!(plan, Plan::Star),
            Projection::Items { items, .. } => items.iter().all(|item| item.path.is_empty()),
        };
        is_star && !self.message.payload().is_json()
    }

    /// Whether whole Decimals are written with their point.
    pub(crate) fn keep_decimal_point(&self) -> bool {
        self.options.version == SqlVersion::V2015
    }

    /// The result of SELECT VALUE. Under 2015-10-08 it can be anything but an array.
    fn bare_value(&self, plan: &'v Plan) -> Value<'v> {
        match self.value(plan, Scope::Payload) {
            Value::Array(_) if self.options.version == SqlVersion::V2015 => Value::Undefined,
            value => value,
        }
    }

    /// Writes members as they are computed: no object is built.
    fn write_flat(&self, items: &'v [ItemPlan], text: &mut String) {
        text.push('{');
        for item in items {
            let value = self.value(&item.plan, Scope::Payload);
            let [name] = item.path.as_ref() else { continue };
            if value.is_undefined() {
                continue;
            }
            if text.len() > 1 {
                text.push(',');
            }
            write_string(name, text);
            text.push(':');
            write_json(&value, self.keep_decimal_point(), text);
            if text.len() > self.options.output_bytes_max {
                return;
            }
        }
        text.push('}');
    }

    /// The result of a SELECT as a value.
    pub(crate) fn projected(&self, projection: &'v Projection, scope: Scope<'_, 'v>) -> Value<'v> {
        let items = match projection {
            Projection::Value(plan) => return self.value(plan, scope),
            Projection::Items { items, .. } => items,
        };
        if let [ItemPlan { path, .. }] = items.as_slice()
            && path.is_empty()
        {
            // `*` alone may be an array or a scalar, too.
            return self.whole(scope);
        }
        let mut object = Builder::default();
        for item in items {
            let value = self.value(&item.plan, scope);
            match item.path.split_first() {
                Some((first, rest)) => {
                    // What is there already is copied to add to it.
                    if !rest.is_empty() && !self.looks_at(&object.get(first)) {
                        return Value::Undefined;
                    }
                    set_at(&mut object, first, rest, value);
                }
                None if self.looks_at(&value) => spread(&mut object, &value),
                None => return Value::Undefined,
            }
        }
        self.bounded(object.finish())
    }
}

/// Adds the members of `*`; what isn't an object has none.
fn spread<'v>(object: &mut Builder<'v>, value: &Value<'v>) {
    if let Value::Object(members) = value {
        for (name, member) in members.members() {
            object.set(name, member);
        }
    }
}

/// Sets a member at a dotted alias, keeping what already is beside it.
fn set_at<'v>(object: &mut Builder<'v>, first: &'v str, rest: &'v [Box<str>], value: Value<'v>) {
    let Some((next, rest)) = rest.split_first() else {
        object.set(Cow::Borrowed(first), value);
        return;
    };
    if value.is_undefined() {
        return;
    }
    let mut inner = match object.get(first) {
        Value::Object(existing) => Builder::from_object(&existing),
        _ => Builder::default(),
    };
    set_at(&mut inner, next, rest, value);
    object.set(Cow::Borrowed(first), inner.finish());
}
