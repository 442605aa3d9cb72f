//! How a case is written. A field that nobody knows changes nothing but is remarked on, so that a misspelt one can't
//! pass unnoticed; a case that expects nothing is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::expectation::Expectation;
use super::fields::Fields;
use super::fixtures::Fixtures;
use super::properties::{Properties, user_properties};
use super::window::History;
use crate::message::Message;

/// The moment of a case that names none, so that time functions give something that looks like a time.
const NOW_MS: u64 = 1_700_000_000_000;

/// What `traceid()` is of an MQTT message whose case names none.
const TRACE_ID: &str = "00000000-0000-4000-8000-000000000000";

/// What `clientid()` is of an MQTT message whose case names none.
const CLIENT_ID: &str = "client";

/// What a case may hold for its readers.
pub(super) const NOT_OURS: &[&str] = &["confidence", "source", "note"];

/// One line of a file of cases.
#[derive(Debug)]
pub(super) struct Case<'l> {
    /// Unique in the file; `line N` where the author gave none.
    pub(super) id: String,
    /// Left out beside a definition.
    pub(super) sql: Option<String>,
    pub(super) sql_version: Option<String>,
    pub(super) rule_name: Option<String>,
    pub(super) sent: Sent<'l>,
    /// Several messages, for windows, instead of the one.
    pub(super) history: Option<History<'l>>,
    /// Answers of other services.
    pub(super) fixtures: Option<Fixtures>,
    pub(super) templates: Vec<TemplateCase>,
    pub(super) expect: Expectation<'l>,
    pub(super) remarks: Vec<String>,
}

/// A text of an action and what it must become.
#[derive(Debug)]
pub(super) struct TemplateCase {
    pub(super) text: String,
    /// `None` when it must be refused.
    pub(super) out: Option<String>,
}

/// A message as a case has it.
#[derive(Debug)]
pub(super) struct Sent<'l> {
    pub(super) topic: String,
    /// Kept as text, so that nothing of it changes.
    payload: Option<&'l RawValue>,
    payload_encoding: Option<String>,
    clientid: Option<String>,
    principal: Option<String>,
    account_id: Option<String>,
    source_ip: Option<String>,
    trace_id: Option<String>,
    pub(super) now_ms: u64,
    protocol: Option<String>,
    user_properties: Vec<(String, String)>,
    mqtt_properties: Properties,
}

impl<'l> Case<'l> {
    /// Reads a line.
    pub(super) fn read(text: &'l str, line: usize) -> Result<Self, String> {
        let mut fields = Fields::read(text, "a case")?;
        let mut remarks = Vec::new();
        let id = fields.text("id")?.unwrap_or_else(|| format!("line {line}"));
        let tolerance = fields.take("tolerance")?;
        let of_windows = fields.has("messages");
        let sent = Sent::read(&mut fields, of_windows.then_some(""))?;
        let case = Self {
            id,
            sql: fields.take("sql")?,
            sql_version: fields.text("sql_version")?,
            rule_name: fields.text("rule_name")?,
            history: History::read(&mut fields, &sent, &mut remarks)?,
            sent,
            fixtures: Fixtures::read(&mut fields, &mut remarks)?,
            templates: templates(&mut fields)?,
            expect: Expectation::read(&mut fields, tolerance, of_windows, &mut remarks)?,
            remarks: Vec::new(),
        };
        fields.pass_over(NOT_OURS);
        fields.left_over("the case", &mut remarks);
        Ok(Self { remarks, ..case })
    }
}

fn templates(fields: &mut Fields<'_>) -> Result<Vec<TemplateCase>, String> {
    let listed: Vec<Box<RawValue>> = fields.take("templates")?.unwrap_or_default();
    let read = |raw: &RawValue| {
        let mut fields = Fields::read(raw.get(), "an object: a template")?;
        let text = fields.take("in")?.ok_or("a template has no `in`")?;
        let out = match fields.take::<bool>("parse_error")? {
            Some(true) => None,
            _ => Some(fields.take("out")?.ok_or("a template has no `out`")?),
        };
        Ok(TemplateCase { text, out })
    };
    listed.iter().map(|raw| read(raw)).collect()
}

impl<'l> Sent<'l> {
    /// The same message at another time.
    pub(super) fn at(self, now_ms: u64) -> Self {
        Self { now_ms, ..self }
    }

    /// Reads the fields of a message; without a topic of its own it has this one.
    pub(super) fn read(fields: &mut Fields<'l>, topic: Option<&str>) -> Result<Self, String> {
        let user_properties = user_properties(fields.raw("user_properties"))?;
        let mut mqtt_properties = match fields.inside("mqtt_properties")? {
            Some(inside) => Properties::read(inside)?,
            None => Properties::default(),
        };
        let more = std::mem::take(&mut mqtt_properties.user_properties);
        Ok(Self {
            topic: fields
                .text("topic")?
                .or_else(|| topic.map(str::to_owned))
                .ok_or("not a case: it has no `topic`")?,
            payload: fields.raw("payload"),
            payload_encoding: fields.take("payload_encoding")?,
            clientid: fields.text("clientid")?,
            principal: fields.text("principal")?,
            account_id: fields.text("account_id")?,
            source_ip: fields.text("source_ip")?,
            trace_id: fields.text("trace_id")?,
            now_ms: now_ms(fields)?,
            protocol: fields.take("protocol")?,
            user_properties: user_properties.into_iter().chain(more).collect(),
            mqtt_properties,
        })
    }

    /// The bytes of the payload; none of them where the case has no payload.
    pub(super) fn payload(&self) -> Result<Vec<u8>, String> {
        let Some(payload) = self.payload else { return Ok(Vec::new()) };
        let text = || -> Result<String, String> {
            serde_json::from_str(payload.get())
                .map_err(|_| "`payload` is no text, so it has no encoding".into())
        };
        match self.payload_encoding.as_deref() {
            None | Some("json") => Ok(payload.get().as_bytes().to_vec()),
            Some("base64") => STANDARD
                .decode(text()?)
                .map_err(|error| format!("`payload` is not Base64 as `payload_encoding` says: {error}")),
            Some("text" | "utf8" | "utf-8") => text().map(String::into_bytes),
            Some("hex") => hex::decode(text()?)
                .map_err(|error| format!("`payload` is not hexadecimal as `payload_encoding` says: {error}")),
            Some(other) => Err(format!(
                "unknown `payload_encoding` `{other}`; there are `json`, `base64`, `text` and `hex`"
            )),
        }
    }

    /// The message as rules see it.
    pub(super) fn message<'m>(&'m self, payload: &'m [u8]) -> Message<'m> {
        let mut message = Message::new(&self.topic, payload, self.now_ms, &fixed_randomness);
        if self.is_mqtt() {
            message.client_id = Some(self.clientid.as_deref().unwrap_or(CLIENT_ID));
            message.trace_id = Some(self.trace_id.as_deref().unwrap_or(TRACE_ID));
        }
        message.principal = self.principal.as_deref();
        message.account_id = self.account_id.as_deref();
        message.source_ip = self.source_ip.as_deref();
        self.mqtt_properties.lend(&mut message.properties);
        let pairs = self.user_properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        message.properties.user_properties = pairs.collect();
        message
    }

    fn is_mqtt(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| !protocol.to_ascii_lowercase().starts_with("http"))
    }
}

/// The randomness of cases: the same on every run.
fn fixed_randomness() -> [u8; 16] {
    [7; 16]
}

fn now_ms(fields: &mut Fields<'_>) -> Result<u64, String> {
    let Some(number) = fields.take::<serde_json::Number>("now_ms")? else { return Ok(NOW_MS) };
    let whole = || number.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
    number
        .as_u64()
        .or_else(|| whole().map(|number| number as u64))
        .ok_or_else(|| format!("`now_ms`: `{number}` is no whole number of milliseconds since 1970"))
}
