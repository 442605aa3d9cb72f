//! Where an action leads: the name of its target, and the values that go with each event.

use toml::de::{DeTable, DeValue};

use super::super::address::{ParameterTemplate, check, check_target};
use super::super::place::Embedded;
use super::super::{Action, Format, KindEntry, TargetKind};
use super::{Reader, Value, listed, span_of};
use crate::diagnostic::{Diagnostic, Span};
use crate::filter::basic_ingest;
use crate::statement::Statement;
use crate::template::Template;

/// The most headers, query parameters or user properties of an action, as in AWS's actions.
const PARAMETERS_MAX: usize = 100;

/// What the headers of a republished message are.
const MESSAGE_HEADERS: &[&str] = &[
    "content_type",
    "response_topic",
    "correlation_data",
    "message_expiry_secs",
    "payload_format_indicator",
    "user_properties",
];

/// Headers that the protocol or the gateway makes.
const RESERVED_HEADERS: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "te", "idempotency-key"];

/// First levels of topics that are the server's own.
const RESERVED_LEVELS: &[&str] = &["$SYS", "$aws", "$share"];

impl<'t> Reader<'t> {
    /// The target of an action: its name alone, or a table with the name and options.
    pub(super) fn target(
        &mut self,
        entry: &KindEntry,
        value: &Value<'t>,
        format: Format,
        statement: Option<&Statement>,
    ) -> Option<Action> {
        let span = span_of(value);
        let (mut partition_key, mut parameters) = (None, Vec::new());
        let target = match value.get_ref() {
            DeValue::String(_) => self.template(value, statement),
            DeValue::Table(table) => {
                let known: Vec<&str> =
                    [entry.name].into_iter().chain(entry.options.iter().copied()).collect();
                self.check_keys(table, &known, &format!("`{}`", entry.key));
                if let Some(key) = self.get(table, "partition_key") {
                    partition_key = self.checked(entry.kind, "partition_key", key, statement);
                }
                self.parameters(entry.kind, table, statement, &mut parameters);
                let Some(name) = self.get(table, entry.name) else {
                    let hint = format!("write for example `{} = {{ {} = \"…\" }}`", entry.key, entry.name);
                    self.error(span, format!("`{}` has no `{}`", entry.key, entry.name), hint);
                    return None;
                };
                self.template(name, statement)
            }
            _ => {
                let what =
                    if entry.kind == TargetKind::Republish { "a topic" } else { "the name of a target" };
                self.error(span, format!("`{}` is {what} or a table", entry.key), None);
                return None;
            }
        }?;
        self.check_name_of_target(entry, &target, span);
        let line = Diagnostic::new(self.text, span, "").line;
        Some(Action { kind: entry.kind, target, partition_key, parameters, format, line })
    }

    fn check_name_of_target(&mut self, entry: &KindEntry, target: &Template, span: Span) {
        match (entry.kind, target.as_constant()) {
            (TargetKind::Republish, constant) => {
                let literal_fault = target.literals().find_map(|text| match text.contains(['+', '#']) {
                    true => Some("a topic holds no `+` and no `#`"),
                    false => None,
                });
                let fault =
                    constant.and_then(|topic| check_target(entry.kind, topic).err()).or(literal_fault);
                if let Some(why) = fault {
                    self.error(
                        span,
                        format!("nothing can be published to `{}`: {why}", target.source()),
                        None,
                    );
                }
                self.check_reserved(target, span);
            }
            (_, Some("")) => self.error(span, format!("name of the `{}` is empty", entry.key), None),
            _ => {}
        }
    }

    fn check_reserved(&mut self, target: &Template, span: Span) {
        let start = target.literal_start();
        let Some((first, _)) =
            start.split_once('/').or_else(|| target.as_constant().map(|topic| (topic, "")))
        else {
            return;
        };
        if RESERVED_LEVELS.contains(&first) && basic_ingest(start).is_none() {
            let hint =
                "a rule is reached by `$$aws/rules/{rule}/…`; choose another topic for everything else";
            self.error(span, format!("topics below `{first}` are the server's own"), hint.to_owned());
        }
    }

    /// Everything that is set for each event.
    fn parameters(
        &mut self,
        kind: TargetKind,
        table: &DeTable<'t>,
        statement: Option<&Statement>,
        found: &mut Vec<ParameterTemplate>,
    ) {
        for key in ["path", "qos", "retain", "message_group_id", "message_deduplication_id"] {
            if let Some(value) = self.get(table, key) {
                self.parameter(kind, key.to_owned(), value, statement, found);
            }
        }
        for key in ["query", "headers"] {
            let Some(value) = self.get(table, key) else { continue };
            let DeValue::Table(members) = value.get_ref() else {
                let hint = format!("write `{key} = {{ name = \"value\" }}`");
                self.error(span_of(value), format!("`{key}` is a table"), hint);
                continue;
            };
            if kind == TargetKind::Republish {
                self.check_keys(members, MESSAGE_HEADERS, "`headers`");
            }
            for (name, value) in members {
                let (name, place) = (name.get_ref().to_string(), span_of(name));
                match value.get_ref() {
                    DeValue::Table(properties)
                        if name == "user_properties" && kind == TargetKind::Republish =>
                    {
                        for (property, value) in properties {
                            let name = format!("headers.user_properties.{}", property.get_ref());
                            self.repeated(kind, &name, value, statement, found);
                        }
                    }
                    _ => {
                        if kind == TargetKind::Http && key == "headers" {
                            self.check_header(&name, place);
                        }
                        self.parameter(kind, format!("{key}.{name}"), value, statement, found);
                    }
                }
            }
        }
        if found.len() > PARAMETERS_MAX {
            let span = table.iter().next().map_or(Span::default(), |(key, _)| span_of(key));
            self.error(span, format!("action sets more than {PARAMETERS_MAX} values"), None);
        }
    }

    /// A user property, which may have several values.
    fn repeated(
        &mut self,
        kind: TargetKind,
        name: &str,
        value: &Value<'t>,
        statement: Option<&Statement>,
        found: &mut Vec<ParameterTemplate>,
    ) {
        match value.get_ref() {
            DeValue::Array(values) => {
                values
                    .iter()
                    .for_each(|value| self.parameter(kind, name.to_owned(), value, statement, found));
            }
            _ => self.parameter(kind, name.to_owned(), value, statement, found),
        }
    }

    fn parameter(
        &mut self,
        kind: TargetKind,
        name: String,
        value: &Value<'t>,
        statement: Option<&Statement>,
        found: &mut Vec<ParameterTemplate>,
    ) {
        if let Some(value) = self.checked(kind, &name, value, statement) {
            found.push(ParameterTemplate { name, value });
        }
    }

    fn check_header(&mut self, name: &str, place: Span) {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) {
            self.error(place, format!("`{name}` can't be the name of a header"), None);
        } else if RESERVED_HEADERS.contains(&lower.as_str()) || lower.starts_with("ce-") {
            let hint = format!("these are: {}, and all that begin with `ce-`", listed(RESERVED_HEADERS));
            self.error(place, format!("header `{name}` is set by the gateway"), hint);
        }
    }

    /// A template whose text, where it is the same for every message, is what the setting may be.
    fn checked(
        &mut self,
        kind: TargetKind,
        setting: &str,
        value: &Value<'t>,
        statement: Option<&Statement>,
    ) -> Option<Template> {
        let template = self.template(value, statement)?;
        if let Some(constant) = template.as_constant().filter(|constant| !constant.is_empty())
            && let Err(why) = check(kind, setting, constant)
        {
            self.error(span_of(value), format!("`{setting}` is `{}`: {why}", template.source()), None);
        }
        Some(template)
    }

    /// A text with `${…}` in it; numbers and Booleans are texts here, too. Without a statement the variables of SET would be
    /// missing, so nothing is said.
    fn template(&mut self, value: &Value<'t>, statement: Option<&Statement>) -> Option<Template> {
        let span = span_of(value);
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Integer(_) => self.text[span.start..span.end].to_owned(),
            _ => {
                self.error(span, "this is a text, which may hold `${…}`", "write `\"…\"`".to_owned());
                return None;
            }
        };
        let statement = statement?;
        let compiled =
            if self.in_error_action { statement.error_template(&text) } else { statement.template(&text) };
        match compiled {
            Ok(template) => Some(template),
            Err(errors) => {
                let embedded = Embedded { file: self.text, span, value: &text };
                self.embedded_errors(&embedded, errors);
                None
            }
        }
    }
}
