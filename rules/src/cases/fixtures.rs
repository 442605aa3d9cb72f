//! What cases give for answers of the world outside.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::fields::Fields;
use crate::outside::{Answer, Key, Outside, Question, RegistryRequest};
use crate::value::Value;

/// Answers as a case has them under `fixtures`. What is asked and not among them is Undefined.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Fixtures {
    /// By thing and name of the shadow, `""` for the classic one: its document.
    shadows: BTreeMap<String, BTreeMap<String, Json>>,
    /// By thing and operation: its answer.
    registry: BTreeMap<String, Json>,
    /// By table and partition key: the item; or by table, partition key and sort key.
    tables: BTreeMap<String, BTreeMap<String, Json>>,
    /// Functions, the first that fits.
    functions: Vec<Function>,
    /// By model: what it predicts.
    models: BTreeMap<String, Json>,
    /// By secret and type.
    secrets: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a function answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    name: String,
    /// To this argument; left out, to any.
    argument: Option<Json>,
    /// Left out, it fails.
    #[serde(default, deserialize_with = "present")]
    answer: Option<Json>,
}

/// An answer that is `null` is an answer.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

impl Fixtures {
    /// Reads what stands under `fixtures`.
    ///
    /// # Errors
    /// When it isn't JSON, or has a part of another form.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Reads `fixtures` out of the fields of a case; a part that nobody knows is remarked on.
    pub(super) fn read(fields: &mut Fields<'_>, remarks: &mut Vec<String>) -> Result<Option<Self>, String> {
        let Some(raw) = fields.raw("fixtures").filter(|raw| raw.get() != "null") else { return Ok(None) };
        let mut parts = Fields::read(raw.get(), "an object: `fixtures`")?;
        for part in ["shadows", "registry", "tables", "functions", "models", "secrets"] {
            parts.raw(part);
        }
        parts.left_over("`fixtures`", remarks);
        Self::parse(raw.get()).map(Some).map_err(|error| format!("`fixtures`: {error}"))
    }

    fn shadow(&self, thing: &str, shadow: Option<&str>) -> Option<&Json> {
        self.shadows.get(thing)?.get(shadow.unwrap_or_default())
    }

    /// By thing and operation, or by operation and thing; a thing's only answer may be the description itself.
    fn registry(&self, request: RegistryRequest, thing: &str) -> Option<&Json> {
        let operation = request.name();
        let by_operation = self.registry.get(operation).and_then(|things| things.get(thing));
        by_operation.or_else(|| {
            let of_thing = self.registry.get(thing)?;
            let names_operations =
                RegistryRequest::ALL.iter().any(|request| of_thing.get(request.name()).is_some());
            match request {
                RegistryRequest::DescribeThing if !names_operations => Some(of_thing),
                _ => of_thing.get(operation),
            }
        })
    }

    fn item(&self, table: &str, partition: &Key, sort: Option<&Key>) -> Option<&Json> {
        let found = self.tables.get(table)?.get(&partition.value)?;
        let Some(Key { name, value }) = sort else { return Some(found) };
        let is_item = found.get(name).is_some_and(|key| match key {
            Json::String(text) => text == value,
            other => other.to_string().as_str() == value,
        });
        if is_item { Some(found) } else { found.get(value).filter(|item| item.is_object()) }
    }

    fn function(&self, name: &str, argument: &Bytes) -> Answer {
        let fits = |function: &&Function| {
            function.name == name && function.argument.as_ref().is_none_or(|wanted| is_same(wanted, argument))
        };
        match self.functions.iter().find(fits).and_then(|function| function.answer.as_ref()) {
            Some(answer) => Answer::Json(answer.to_string().into()),
            None => Answer::Failed(format!("no answer of function `{name}` among the fixtures")),
        }
    }

    fn secret(&self, id: &str, binary: bool, key: Option<&str>) -> Option<Json> {
        let kinds = self.secrets.get(id)?;
        if binary {
            let bytes = kinds.get("SecretBinary")?;
            // Given as it is asked for, or as the text that the bytes are.
            let is_base64 = STANDARD.decode(bytes).is_ok();
            return Some(Json::String(if is_base64 { bytes.clone() } else { STANDARD.encode(bytes) }));
        }
        let text = kinds.get("SecretString")?;
        match key {
            None => Some(Json::String(text.clone())),
            Some(key) => serde_json::from_str::<Map<String, Json>>(text).ok()?.remove(key),
        }
    }
}

fn is_same(wanted: &Json, found: &[u8]) -> bool {
    let wanted = wanted.to_string();
    let read = |text: &[u8]| crate::json::Tape::read(text).map(|tape| Value::copied_from(tape.root(text)));
    match (read(wanted.as_bytes()), read(found)) {
        (Some(wanted), Some(found)) => wanted.equals(&found) == Some(true),
        _ => false,
    }
}

impl Outside for Fixtures {
    fn answer(&self, question: &Question) -> Option<Answer> {
        let found = match question {
            Question::Lambda { function, argument } => return Some(self.function(function, argument)),
            Question::Shadow { thing, shadow } => self.shadow(thing, shadow.as_deref()).cloned(),
            Question::Registry { request, thing } => self.registry(*request, thing).cloned(),
            Question::Table { table, partition, sort } => self.item(table, partition, sort.as_ref()).cloned(),
            Question::Model { model, .. } => self.models.get(model).cloned(),
            Question::Secret { id, binary, key } => self.secret(id, *binary, key.as_deref()),
        };
        Some(found.map_or(Answer::Nothing, |json| Answer::Json(json.to_string().into())))
    }
}
