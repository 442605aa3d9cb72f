//! What SELECT makes: values for subqueries, JSON text for actions.

use std::borrow::Cow;

use crate::evaluate::{Evaluation, Scope};
use crate::plan::{ItemPlan, Plan, Projection, Shape};
use crate::statement::{Fault, Output, SqlVersion};
use crate::value::{Builder, Value, write_json, write_node};

impl<'v> Evaluation<'v> {
    /// The result of the outermost SELECT.
    pub(crate) fn output(&self, projection: &'v Projection) -> Result<Output, Fault> {
        if self.is_raw(projection) {
            return Ok(Output::Raw(bytes::Bytes::copy_from_slice(self.message.payload().bytes())));
        }
        let text = match projection {
            Projection::Items { items, shape: Shape::Flat } => self.flat(items),
            Projection::Items { items, shape: Shape::StarThenFlat } => {
                self.spliced(&items[1..]).unwrap_or_else(|| self.built(projection))
            }
            Projection::Value(plan) => self.written(&self.bare_value(plan)),
            other => self.built(other),
        };
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

    /// Members written as they are computed: no object is built.
    fn flat(&self, items: &'v [ItemPlan]) -> String {
        let mut text = String::with_capacity(256);
        text.push('{');
        self.write_members(items, &mut text);
        text.push('}');
        text
    }

    /// The payload with further members at its end, copied rather than written anew; `None` when that would be another text: where the payload isn't
    /// written as it would be printed, or has a member that an item replaces.
    fn spliced(&self, items: &'v [ItemPlan]) -> Option<String> {
        let (printed, root) = self.message.payload().as_printed_object()?;
        let replaces = |item: &ItemPlan| item.path.iter().any(|name| root.member(name).is_some());
        if items.iter().any(replaces) {
            return None;
        }
        let mut text = String::with_capacity(printed.len() + 64 * items.len());
        text.push_str(printed.strip_suffix('}')?);
        self.write_members(items, &mut text);
        text.push('}');
        Some(text)
    }

    /// Appends the items that are not Undefined to an object that isn't closed yet.
    fn write_members(&self, items: &'v [ItemPlan], text: &mut String) {
        for item in items {
            let before = text.len();
            if before > 1 {
                text.push(',');
            }
            text.push_str(&item.label);
            if !self.write_value(&item.plan, text) {
                text.truncate(before);
            }
            if text.len() > self.options.output_bytes_max {
                return;
            }
        }
    }

    /// Appends the JSON of what a plan gives; says whether it gives anything. What is only looked up is copied, without making a value of it.
    fn write_value(&self, plan: &'v Plan, text: &mut String) -> bool {
        match plan {
            Plan::Path(names) => {
                let node = self.message.payload().find(names);
                node.map(|node| write_node(node, self.keep_decimal_point(), text)).is_some()
            }
            other => {
                let value = self.value(other, Scope::Payload);
                write_json(&value, self.keep_decimal_point(), text);
                !value.is_undefined()
            }
        }
    }

    fn built(&self, projection: &'v Projection) -> String {
        self.written(&self.projected(projection, Scope::Payload))
    }

    fn written(&self, value: &Value<'v>) -> String {
        let mut text = String::with_capacity(256);
        write_json(value, self.keep_decimal_point(), &mut text);
        text
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
