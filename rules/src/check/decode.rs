//! Schemes of `encode` and `decode`: what they are, and what else a call must name, known when the rule is created.

use super::Check;
use crate::diagnostic::nearest;
use crate::plan::{Constant, DecodePlan, Plan, Scheme};
use crate::syntax::{Expression, Form, Name};

/// The schemes of each function.
const SCHEMES: &[(&str, &[&str])] = &[("encode", &["base64"]), ("decode", &["base64", "proto", "cbor"])];

/// What a call of the scheme `proto` looks like.
const PROTO: &str = "write `decode(*, 'proto', 'bucket', 'key', 'file', 'message')`";

impl Check<'_> {
    /// The plan of a call that needs one of its own; `None` for functions and schemes that don't.
    pub(super) fn scheme(&mut self, function: &str, name: &Name, arguments: &[Expression]) -> Option<Plan> {
        let (_, schemes) = SCHEMES.iter().find(|(known, _)| *known == function)?;
        let undefined = || Some(Plan::Constant(Constant::Undefined));
        let argument = arguments.get(1)?;
        let Form::String(scheme) = &argument.form else { return None };
        if !schemes.contains(&scheme.as_str()) {
            let list: Vec<String> = schemes.iter().map(|scheme| format!("`{scheme}`")).collect();
            let hint = match nearest(scheme, schemes.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("write {}", list.join(", ")),
            };
            self.error(argument.span, format!("`{function}` has no scheme `{scheme}`"), hint);
            return undefined();
        }
        match scheme.as_str() {
            "proto" => self.proto(name, arguments).or_else(undefined),
            "cbor" if arguments.len() == 2 => self.decoding(arguments, Scheme::Cbor),
            _ if arguments.len() > 2 => {
                let message = format!("`{function}` with the scheme `{scheme}` takes 2 arguments");
                let message = format!("{message}, so its value is always Undefined");
                self.warn(name.span, message, &format!("write `{function}(…, '{scheme}')`"));
                undefined()
            }
            _ => None,
        }
    }

    fn proto(&mut self, name: &Name, arguments: &[Expression]) -> Option<Plan> {
        let [_, _, names @ ..] = arguments else { return None };
        let texts: Vec<&str> = names
            .iter()
            .filter_map(|argument| match &argument.form {
                Form::String(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let (4, [bucket, key, file, message]) = (names.len(), texts.as_slice()) else {
            let problem =
                "`decode` with the scheme `proto` takes 6 arguments, the last four written as texts";
            self.error(name.span, problem, PROTO.to_owned());
            return None;
        };
        let Some(descriptors) = self.descriptors else {
            let hint =
                "name the folder of descriptor files in the settings: `descriptors` of `[rules]`".to_owned();
            self.error(name.span, "there are no descriptor files here", hint);
            return None;
        };
        match descriptors.message(bucket, key, file, message) {
            Ok(found) => self.decoding(arguments, Scheme::Proto(found)),
            Err(unknown) => {
                // Bucket and key are one name.
                let span = match unknown.which {
                    0 => names[0].span.join(names[1].span),
                    place => names[place + 1].span,
                };
                self.error(span, unknown.message, unknown.hint);
                None
            }
        }
    }

    /// `*` is the payload's bytes, JSON or not, as for `encode`.
    fn decoding(&mut self, arguments: &[Expression], scheme: Scheme) -> Option<Plan> {
        let source = match self.expression(arguments.first()?) {
            Plan::Star if self.query_depth == 0 => None,
            other => Some(other),
        };
        Some(Plan::Decode(Box::new(DecodePlan { source, scheme })))
    }
}
