//! How a case is written. Unknown keys are errors, so that a misspelt expectation can't pass unnoticed.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Fixtures;

/// One line of a file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Unique in the file.
    pub(super) id: String,
    /// Left out beside a definition.
    pub(super) sql: Option<String>,
    pub(super) sql_version: Option<String>,
    pub(super) topic: String,
    /// Kept as text, so that numbers keep their digits.
    pub(super) payload: Option<Box<RawValue>>,
    /// `base64` when the payload is a text that holds bytes.
    pub(super) payload_encoding: Option<String>,
    pub(super) clientid: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) source_ip: Option<String>,
    pub(super) trace_id: Option<String>,
    #[serde(default)]
    pub(super) now_ms: u64,
    /// `mqtt` (when left out) or `http`.
    pub(super) protocol: Option<String>,
    pub(super) rule_name: Option<String>,
    #[serde(default)]
    pub(super) user_properties: Vec<(String, String)>,
    #[serde(default)]
    pub(super) mqtt_properties: MqttProperties,
    #[serde(default)]
    pub(super) templates: Vec<TemplateCase>,
    pub(super) expect: Expectation,
    /// Answers of other services. Without them no function that asks one is accepted.
    pub(super) fixtures: Option<Fixtures>,
    /// For the reader of the file.
    #[serde(rename = "note")]
    _note: Option<IgnoredAny>,
    #[serde(rename = "source")]
    _source: Option<IgnoredAny>,
    #[serde(rename = "confidence")]
    _confidence: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MqttProperties {
    pub(super) content_type: Option<String>,
    pub(super) format_indicator: Option<String>,
    pub(super) response_topic: Option<String>,
}

/// A text of an action and what it must become.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateCase {
    #[serde(rename = "in")]
    pub(super) text: String,
    pub(super) out: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    #[serde(rename = "match")]
    pub(super) matches: Option<bool>,
    /// Compared as JSON: numbers by value, members in any order.
    pub(super) output: Option<Box<RawValue>>,
    /// Compared letter by letter.
    pub(super) output_text: Option<String>,
    pub(super) output_base64: Option<String>,
    /// How far numbers may be off.
    pub(super) tolerance: Option<f64>,
    #[serde(default)]
    pub(super) parse_error: bool,
    /// The evaluation must end with a fault.
    #[serde(default)]
    pub(super) aborted: bool,
}
