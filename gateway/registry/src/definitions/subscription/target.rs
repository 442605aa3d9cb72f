//! Targets of a subscription, and what they are given.

use super::super::DeclaredTargets;
use super::SubscriptionTarget;
use super::document::{Document, Value, get, listed};
use patterns::{TransformError, Transformer};
use rules::Position;
use rules::definition::{Format, TargetKind};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What a target may have beside its kind.
const OPTIONS: [&str; 5] = ["format", "partition_key_path", "input", "input_path", "input_transformer"];

/// The longest topic, in bytes.
const TOPIC_BYTES_MAX: usize = 65_535;

impl<'t> Document<'t> {
    pub(super) fn target(
        &mut self,
        item: &Value<'t>,
        declared: &DeclaredTargets,
    ) -> Option<SubscriptionTarget> {
        let start = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            self.fault(
                start,
                "a target is a table",
                "write for example `queue = \"alerts\"` under it".to_owned(),
            );
            return None;
        };
        let kinds: Vec<&str> = TargetKind::all().map(TargetKind::key).collect();
        let keys: Vec<&str> = kinds.iter().copied().chain(OPTIONS).collect();
        self.check_keys(table, &keys, "a target");
        let named: Vec<TargetKind> =
            TargetKind::all().filter(|kind| get(table, kind.key()).is_some()).collect();
        if let Some(second) = named.get(1) {
            let hint = "give each its own `[[target]]`".to_owned();
            self.fault(start, format!("target has two kinds; `{second}` is the second"), hint);
        }
        let Some(kind) = named.first().copied() else {
            self.fault(
                start,
                "target names no queue, stream or the like",
                format!("write one of {}", listed(&kinds)),
            );
            return None;
        };
        let (name, span) = self.string(table, kind.key())?;
        self.check_target(kind, name, &span, declared);
        let transformer = self.transformer(table);
        let partition_key = match self.string(table, "partition_key_path") {
            Some((path, span)) => self.transforms(&span, Transformer::path(path)),
            None => None,
        };
        let (name, line) = (name.to_owned(), Position::of(self.text, start).line);
        Some(SubscriptionTarget { kind, name, format: self.format(table), partition_key, transformer, line })
    }

    fn check_target(
        &mut self,
        kind: TargetKind,
        name: &str,
        span: &Range<usize>,
        declared: &DeclaredTargets,
    ) {
        if kind != TargetKind::Republish {
            if !declared.names(kind).any(|known| known == name) {
                self.fault(span.start, format!("unknown {kind} `{name}`"), declared.hint(kind, name));
            }
            return;
        }
        let why = match name {
            "" => "it is empty",
            _ if name.len() > TOPIC_BYTES_MAX => "it is longer than 65,535 bytes",
            _ if name.contains(['+', '#', '\0']) => "a topic holds no `+`, no `#` and no NUL",
            _ if name.starts_with('$') && rules::basic_ingest(name).is_none() => {
                "topics that begin with `$` are the server's own"
            }
            _ => return,
        };
        self.fault(span.start, format!("nothing can be published to `{name}`: {why}"), None);
    }

    fn format(&mut self, table: &DeTable<'t>) -> Format {
        match self.string(table, "format") {
            None => Format::default(),
            Some(("data", _)) => Format::Data,
            Some(("cloudevents", _)) => Format::CloudEvents,
            Some((other, span)) => {
                self.fault(
                    span.start,
                    format!("unknown format `{other}`"),
                    "there are `data`, `cloudevents`".to_owned(),
                );
                Format::default()
            }
        }
    }

    /// What takes the place of the event, if anything does.
    fn transformer(&mut self, table: &DeTable<'t>) -> Option<Transformer> {
        let given: Vec<&str> = ["input", "input_path", "input_transformer"]
            .into_iter()
            .filter(|key| get(table, key).is_some())
            .collect();
        if given.len() > 1 {
            let start = get(table, given[1]).map_or(0, |value| value.span().start);
            self.fault(start, format!("target has {}, of which one is enough", listed(&given)), None);
            return None;
        }
        match *given.first()? {
            "input" => {
                let (text, span) = self.string(table, "input")?;
                self.transforms(&span, Transformer::constant(text))
            }
            "input_path" => {
                let (path, span) = self.string(table, "input_path")?;
                self.transforms(&span, Transformer::path(path))
            }
            _ => self.template(get(table, "input_transformer")?),
        }
    }

    fn template(&mut self, value: &Value<'t>) -> Option<Transformer> {
        let start = value.span().start;
        let hint = "write `input_transformer = { input_paths = { device = \"$.detail.deviceId\" }, input_template = '{\"device\":<device>}' }`";
        let DeValue::Table(table) = value.get_ref() else {
            self.fault(start, "`input_transformer` is a table", hint.to_owned());
            return None;
        };
        self.check_keys(table, &["input_paths", "input_template"], "an input transformer");
        let mut variables = Vec::new();
        match get(table, "input_paths").map(Value::get_ref) {
            None => {}
            Some(DeValue::Table(paths)) => {
                for (name, _) in paths {
                    let (path, _) = self.string(paths, name.get_ref())?;
                    variables.push((name.get_ref().as_ref(), path));
                }
            }
            Some(_) => {
                self.fault(start, "`input_paths` is a table of names and paths", hint.to_owned());
                return None;
            }
        }
        if get(table, "input_template").is_none() {
            self.fault(start, "input transformer has no `input_template`", hint.to_owned());
        }
        let (template, span) = self.string(table, "input_template")?;
        self.transforms(&span, Transformer::template(variables, template))
    }

    fn transforms(
        &mut self,
        span: &Range<usize>,
        outcome: Result<Transformer, TransformError>,
    ) -> Option<Transformer> {
        match outcome {
            Ok(transformer) => Some(transformer),
            Err(error) => {
                self.fault(span.start, error.message, None);
                None
            }
        }
    }
}
