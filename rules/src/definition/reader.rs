//! Reads a definition from TOML, collecting every mistake instead of stopping at the first.

mod target;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::Embedded;
use super::{ACTIONS_MAX, Action, DEFINITION_BYTES_MAX, Definition, FORMATS, Format, KINDS, NAME_BYTES_MAX};
use crate::diagnostic::{Diagnostic, Span, SqlErrors, nearest};
use crate::outside::Capabilities;
use crate::statement::{CompileOptions, SqlVersion, Statement};

/// What a definition may have at its top.
const KEYS: &[&str] = &["description", "sql", "sql_version", "enabled", "window", "action", "error_action"];

type Value<'t> = Spanned<DeValue<'t>>;

pub(super) struct Reader<'t> {
    text: &'t str,
    capabilities: &'t Capabilities,
    /// What is read is the error action, which may ask nobody.
    in_error_action: bool,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// The definition in `text`, or everything that is wrong with it.
pub(super) fn read(
    name: &str,
    text: &str,
    capabilities: &Capabilities,
) -> Result<Definition, Vec<Diagnostic>> {
    let (errors, warnings) = (Vec::new(), Vec::new());
    let mut reader = Reader { text, capabilities, in_error_action: false, errors, warnings };
    reader.check_name(name);
    if text.len() > DEFINITION_BYTES_MAX {
        let message = format!("definition has {} bytes; the most is {DEFINITION_BYTES_MAX}", text.len());
        return Err(vec![Diagnostic::new(text, Span::default(), message)]);
    }
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let span = error.span().map_or(Span::default(), |range| Span::new(range.start, range.end));
            return Err(vec![Diagnostic::new(text, span, first_line(error.message()))]);
        }
    };
    let definition = reader.definition(name, table.get_ref());
    match definition {
        Some(definition) if reader.errors.is_empty() => Ok(definition),
        _ => {
            reader.errors.sort_by_key(|error| error.span.start);
            Err(reader.errors)
        }
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or("not TOML")
}

pub(super) fn span_of<T>(spanned: &Spanned<T>) -> Span {
    Span::new(spanned.span().start, spanned.span().end)
}

impl<'t> Reader<'t> {
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, hint: impl Into<Option<String>>) {
        let diagnostic = Diagnostic::new(self.text, span, message);
        self.errors.push(Diagnostic { hint: hint.into(), ..diagnostic });
    }

    pub(super) fn warn(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        self.warnings.push(Diagnostic::new(self.text, span, message).with_hint(hint));
    }

    fn check_name(&mut self, name: &str) {
        let is_good = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_good) {
            let hint =
                format!("names have 1 to {NAME_BYTES_MAX} letters, digits, `_` and `-`; rename the folder");
            self.error(Span::default(), format!("`{name}` can't be the name of a rule"), hint);
        }
    }

    fn definition(&mut self, name: &str, table: &DeTable<'t>) -> Option<Definition> {
        self.check_keys(table, KEYS, "a definition");
        let enabled = self.boolean(table, "enabled").unwrap_or(true);
        let description =
            self.string(table, "description").map(|(text, _)| text.to_owned()).unwrap_or_default();
        let version = self.version(table);
        let statement = self.statement(table, CompileOptions { version, ..CompileOptions::default() });
        let window = self.window(table, statement.as_ref());
        let actions = self.actions(table, statement.as_ref());
        self.in_error_action = true;
        let error_action =
            self.get(table, "error_action").and_then(|value| self.action(value, statement.as_ref()));
        let on_fault = match self.get(table, "error_action").map(|value| value.get_ref()) {
            Some(DeValue::Table(table)) => self.boolean(table, "on_fault").unwrap_or(false),
            _ => false,
        };
        Some(Definition {
            name: name.to_owned(),
            description,
            statement: statement?,
            window,
            actions,
            error_action,
            on_fault,
            enabled,
            text: self.text.into(),
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    pub(super) fn check_keys(&mut self, table: &DeTable<'t>, known: &[&str], whose: &str) {
        for (key, _) in table {
            if known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let hint = match nearest(key.get_ref(), known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{whose} has the keys {}", listed(known)),
            };
            self.error(span_of(key), format!("unknown key `{}` in {whose}", key.get_ref()), hint);
        }
    }

    pub(super) fn get<'a>(&self, table: &'a DeTable<'t>, key: &str) -> Option<&'a Value<'t>> {
        table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn boolean(&mut self, table: &DeTable<'t>, key: &str) -> Option<bool> {
        let value = self.get(table, key)?;
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.error(span_of(value), format!("`{key}` is `true` or `false`"), None);
                None
            }
        }
    }

    pub(super) fn string<'a>(&mut self, table: &'a DeTable<'t>, key: &str) -> Option<(&'a str, Span)> {
        let value = self.get(table, key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text, span_of(value))),
            _ => {
                self.error(span_of(value), format!("`{key}` is a text"), format!("write `{key} = \"…\"`"));
                None
            }
        }
    }

    fn version(&mut self, table: &DeTable<'t>) -> SqlVersion {
        let Some((text, span)) = self.string(table, "sql_version") else { return SqlVersion::default() };
        SqlVersion::parse(text).unwrap_or_else(|| {
            let known: Vec<&str> = SqlVersion::ALL.into_iter().map(SqlVersion::text).collect();
            self.error(
                span,
                format!("unknown SQL version `{text}`"),
                format!("there are {}", listed(&known)),
            );
            SqlVersion::default()
        })
    }

    fn statement(&mut self, table: &DeTable<'t>, options: CompileOptions) -> Option<Statement> {
        if self.get(table, "sql").is_none() {
            let hint = "write for example `sql = \"SELECT * FROM 'plant/+/telemetry'\"`".to_owned();
            self.error(Span::default(), "definition has no `sql`", hint);
        }
        let (sql, span) = self.string(table, "sql")?;
        let compiled = Statement::compile_for(sql, options, self.capabilities);
        let embedded = Embedded { file: self.text, span, value: sql };
        match compiled {
            Ok(statement) => {
                let warnings = statement.warnings().iter().cloned();
                self.warnings.extend(warnings.map(|warning| embedded.relocate(warning)));
                Some(statement)
            }
            Err(errors) => {
                self.embedded_errors(&embedded, errors);
                None
            }
        }
    }

    fn embedded_errors(&mut self, embedded: &Embedded<'_>, errors: SqlErrors) {
        self.errors.extend(errors.diagnostics.into_iter().map(|error| embedded.relocate(error)));
    }

    fn actions(&mut self, table: &DeTable<'t>, statement: Option<&Statement>) -> Vec<Action> {
        let Some(value) = self.get(table, "action") else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.error(
                span_of(value),
                "`action` is a list of tables",
                "write `[[action]]` with double brackets".to_owned(),
            );
            return Vec::new();
        };
        if let Some(surplus) = items.get(ACTIONS_MAX) {
            self.error(span_of(surplus), format!("rule has more than {ACTIONS_MAX} actions"), None);
        }
        items.iter().filter_map(|item| self.action(item, statement)).collect()
    }

    fn action(&mut self, value: &Value<'t>, statement: Option<&Statement>) -> Option<Action> {
        let span = span_of(value);
        let DeValue::Table(table) = value.get_ref() else {
            self.error(
                span,
                "an action is a table",
                "write for example `queue = \"alerts\"` under it".to_owned(),
            );
            return None;
        };
        let kinds: Vec<&str> = KINDS.iter().map(|entry| entry.key).collect();
        let further: &[&str] = if self.in_error_action { &["format", "on_fault"] } else { &["format"] };
        let known: Vec<&str> = kinds.iter().chain(further).copied().collect();
        self.check_keys(table, &known, "an action");
        let format = self.format(table);
        let mut named = KINDS.iter().filter_map(|entry| Some((entry, self.get(table, entry.key)?)));
        let (first, second) = (named.next(), named.next());
        if let Some((entry, value)) = second {
            let message = format!("action has two targets; `{}` is the second", entry.key);
            self.error(span_of(value), message, "give each target its own `[[action]]`".to_owned());
        }
        let Some((entry, target)) = first else {
            if table.iter().all(|(key, _)| known.contains(&key.get_ref().as_ref())) {
                self.error(span, "action names no target", format!("write one of {}", listed(&kinds)));
            }
            return None;
        };
        self.target(entry, target, format, statement)
    }

    fn format(&mut self, table: &DeTable<'t>) -> Format {
        let Some((text, span)) = self.string(table, "format") else { return Format::default() };
        if let Some((_, format)) = FORMATS.iter().find(|(name, _)| *name == text) {
            return *format;
        }
        let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
        let hint = match nearest(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", listed(&names)),
        };
        self.error(span, format!("unknown format `{text}`"), hint);
        Format::default()
    }
}

pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
