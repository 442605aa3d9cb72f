//! Where an event goes: an action with its templates filled for one message, every value checked.
//!
//! What can't be is a fault of the action for this message alone. Knows what names, keys and headers may hold; must not know
//! which targets exist.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::{Action, TargetKind};
use crate::message::Message;
use crate::misfit::MisfitKinds;
use crate::statement::Fault;
use crate::template::Template;

/// The longest partition key, in characters, as in Kinesis.
pub const PARTITION_KEY_CHARACTERS_MAX: usize = 256;

/// The longest id of a message group or for deduplication, in characters, as in SQS.
pub(super) const QUEUE_ID_CHARACTERS_MAX: usize = 128;

/// The longest value of a header, path or query parameter, in bytes.
pub const PARAMETER_BYTES_MAX: usize = 8 * 1024;

/// The most that the settings of one action hold together for one message, names among them, in bytes: beyond that the action fails, and
/// neither the message nor the other actions with it.
pub const ACTION_BYTES_MAX: usize = 128 * 1024;

/// What topics of Basic Ingest begin with.
const BASIC_INGEST: &str = "$aws/rules/";

/// The longest topic and the longest text of an MQTT property, in bytes of UTF-8.
const MQTT_TEXT_BYTES_MAX: usize = 65_535;

/// A value that is set for each event: a header, part of a URL, a property of a message.
#[derive(Debug, Clone)]
pub struct ParameterTemplate {
    /// Its name in the definition, tables joined with a dot: `headers.X-Line`.
    pub name: String,
    /// Its text.
    pub value: Template,
}

/// Where one event goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The name of the target; the topic for `republish`.
    pub target: String,
    /// The key that keeps events in order; `None` where the action names none or it came out empty: then it is the client id.
    pub partition_key: Option<String>,
    /// The values for this event by name, without those that came out empty.
    pub parameters: Vec<(String, String)>,
    /// What in the templates was Undefined although its inputs were there.
    pub misfits: MisfitKinds,
}

/// Why an action has nowhere to go for a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ActionFault {
    /// A template can't be evaluated.
    #[error("`{setting}` can't be filled: {fault}")]
    Template {
        /// The setting, as in the definition.
        setting: String,
        /// What is wrong.
        fault: Fault,
    },
    /// A setting came out as what it can't be.
    #[error("`{setting}` is {value:?} for this message: {why}")]
    Value {
        /// The setting, as in the definition.
        setting: String,
        /// The value, cut to 100 characters.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What the templates came out as is too much together.
    #[error("the settings of the action have more than {bytes_max} bytes together for this message")]
    Size {
        /// The limit.
        bytes_max: usize,
    },
}

impl ActionFault {
    /// The fault for a log: without the value, which is the device's and may be secret.
    pub fn without_value(&self) -> String {
        match self {
            Self::Template { .. } | Self::Size { .. } => self.to_string(),
            Self::Value { setting, why, .. } => {
                format!("`{setting}` can't be what it is for this message: {why}")
            }
        }
    }
}

impl Action {
    /// Fills the templates for `message`.
    ///
    /// # Errors
    /// The first setting that can't be filled, comes out as what it can't be, or is too much with those before it.
    pub fn address(&self, message: &Message<'_>) -> Result<Address, ActionFault> {
        let mut address = Address {
            target: String::new(),
            partition_key: None,
            parameters: Vec::new(),
            misfits: MisfitKinds::default(),
        };
        address.target = self
            .value(self.target_setting(), &self.target, message, &mut address.misfits)?
            .unwrap_or_default();
        if let Some(template) = &self.partition_key {
            address.partition_key = self.value("partition_key", template, message, &mut address.misfits)?;
        }
        let mut bytes = address.target.len();
        for ParameterTemplate { name, value } in &self.parameters {
            if let Some(value) = self.value(name, value, message, &mut address.misfits)? {
                // Checked one by one, so that what is too much is not made in the first place.
                bytes += name.len() + value.len();
                if bytes > ACTION_BYTES_MAX {
                    return Err(ActionFault::Size { bytes_max: ACTION_BYTES_MAX });
                }
                address.parameters.push((name.clone(), value));
            }
        }
        Ok(address)
    }

    /// What the setting that names the target is called.
    pub(super) fn target_setting(&self) -> &'static str {
        self.kind.key()
    }

    /// One setting for one message; `None` when it came out empty and so is left out.
    pub(super) fn value(
        &self,
        setting: &str,
        template: &Template,
        message: &Message<'_>,
        misfits: &mut MisfitKinds,
    ) -> Result<Option<String>, ActionFault> {
        let escape = if self.kind == TargetKind::Http && setting == "path" {
            Some(percent_encoded as fn(&str) -> String)
        } else {
            None
        };
        let (text, noted) = template
            .fill(message, escape)
            .map_err(|fault| ActionFault::Template { setting: setting.to_owned(), fault })?;
        *misfits = misfits.and(noted);
        if setting == self.target_setting() {
            check_target(self.kind, &text).map_err(|why| wrong(setting, &text, why))?;
            // A message must not choose the rule that sees it, past FROM and the policies of whoever sent it.
            if self.kind == TargetKind::Republish
                && text.starts_with(BASIC_INGEST)
                && !template.literal_start().starts_with(BASIC_INGEST)
            {
                let why = "a topic begins with `$aws/rules/` only where the template does, as `$$aws/rules/`";
                return Err(wrong(setting, &text, why));
            }
        } else if text.is_empty() {
            return Ok(None);
        } else {
            check(self.kind, setting, &text).map_err(|why| wrong(setting, &text, why))?;
        }
        Ok(Some(text))
    }
}

fn wrong(setting: &str, value: &str, why: &'static str) -> ActionFault {
    ActionFault::Value { setting: setting.to_owned(), value: value.chars().take(100).collect(), why }
}

pub(super) fn check_target(kind: TargetKind, text: &str) -> Result<(), &'static str> {
    match kind {
        TargetKind::Republish => check_topic(text),
        _ if text.is_empty() => Err("a target has a name"),
        _ => Ok(()),
    }
}

/// Whether a setting may have this value, which isn't empty.
pub(super) fn check(kind: TargetKind, setting: &str, text: &str) -> Result<(), &'static str> {
    let wanted = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
    if setting == "partition_key" {
        return wanted(
            text.chars().count() <= PARTITION_KEY_CHARACTERS_MAX,
            "a partition key has at most 256 characters",
        );
    }
    match (kind, setting) {
        (TargetKind::Http, _) if text.len() > PARAMETER_BYTES_MAX => Err("it is longer than 8192 bytes"),
        (TargetKind::Http, "path") => check_path(text),
        (TargetKind::Http, _) if setting.starts_with("headers.") => wanted(
            !text.chars().any(|character| character.is_control() && character != '\t'),
            "a header holds no control characters, line ends among them",
        ),
        (TargetKind::Http, _) => Ok(()),
        (TargetKind::Queue, _) => wanted(
            text.chars().count() <= QUEUE_ID_CHARACTERS_MAX && !text.chars().any(char::is_control),
            "it has at most 128 characters, and no control characters",
        ),
        (_, "qos") => wanted(matches!(text, "0" | "1"), "qos is 0 or 1"),
        (_, "retain") => wanted(matches!(text, "true" | "false"), "retain is true or false"),
        (_, "headers.response_topic") => check_topic(text),
        (_, "headers.correlation_data") => wanted(
            STANDARD.decode(text).is_ok_and(|data| data.len() <= MQTT_TEXT_BYTES_MAX),
            "correlation data is written in base64",
        ),
        (_, "headers.message_expiry_secs") => {
            wanted(text.parse::<u32>().is_ok(), "an expiry is a whole number of seconds")
        }
        (_, "headers.payload_format_indicator") => {
            wanted(matches!(text, "UNSPECIFIED_BYTES" | "UTF8_DATA"), "it is UNSPECIFIED_BYTES or UTF8_DATA")
        }
        _ => wanted(
            text.len() <= MQTT_TEXT_BYTES_MAX && !text.contains('\0'),
            "it has at most 65535 bytes, and no U+0000",
        ),
    }
}

/// Whether a message can be published to it: `[MQTT-4.7.3-1]`, `[MQTT-4.7.1-1]`, `[MQTT-4.7.3-2]`.
fn check_topic(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("a topic has at least one character"),
        _ if text.len() > MQTT_TEXT_BYTES_MAX => Err("a topic has at most 65535 bytes"),
        _ if text.contains(['+', '#', '\0']) => Err("a topic holds none of `+`, `#` and U+0000"),
        _ => Ok(()),
    }
}

/// A path stays below the path of the target: no segment may lead upwards, however it is written.
fn check_path(text: &str) -> Result<(), &'static str> {
    if !text.starts_with('/') {
        return Err("a path begins with `/`");
    }
    if leads_upwards(text) {
        return Err("a path has no segments `.` and `..`, encoded ones among them");
    }
    match text.contains(['?', '#']) || text.chars().any(char::is_control) {
        true => Err("a path holds no `?`, no `#` and no control characters; parameters belong into `query`"),
        false => Ok(()),
    }
}

/// Whether a server finds a segment `.` or `..` in it. Many decode a path before they split it, some twice, and some cut what follows `;`.
fn leads_upwards(path: &str) -> bool {
    let mut decoded = path.to_ascii_lowercase();
    for (encoded, plain) in [("%25", "%"), ("%2f", "/"), ("%5c", "/"), ("%2e", "."), ("%3b", ";")] {
        decoded = decoded.replace(encoded, plain);
    }
    decoded.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// A value as one piece of a path: whatever it holds, it adds no segment and no query.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;

    fn addressed(action: &str, payload: &str) -> String {
        let text = format!("sql = \"SET @k = upper(line) SELECT * FROM 'a/#'\"\n[[action]]\n{action}\n");
        let definition =
            Definition::parse("hot", "rule.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
        let randomness = || [7u8; 16];
        let message = Message::new("a/b", payload.as_bytes(), 0, &randomness);
        match definition.actions[0].address(&message) {
            Ok(Address { target, partition_key, parameters, .. }) => {
                let parameters: Vec<String> =
                    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!(
                    "{target} {} [{}]",
                    partition_key.unwrap_or_else(|| "-".to_owned()),
                    parameters.join(", ")
                )
            }
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn names_and_keys_are_filled() {
        let line = r#"{"line":"a"}"#;
        assert_eq!(addressed("queue = 'alerts-${line}'", line), "alerts-a - []");
        let grouped = "queue = { name = 'orders.fifo', message_group_id = '${line}-${@k}', message_deduplication_id = '${id}' }";
        assert_eq!(
            addressed(grouped, line),
            "orders.fifo - [message_group_id=a-A]",
            "what is empty is left out"
        );
        let long = format!(r#"{{"line":"{}"}}"#, "x".repeat(64));
        assert!(
            addressed(grouped, &long)
                .ends_with("for this message: it has at most 128 characters, and no control characters")
        );
        assert_eq!(addressed("function = '${topic(2)}'", line), "b - []");
        assert_eq!(addressed("stream = { name = 's', partition_key = '${@k}' }", line), "s A []");
        assert_eq!(addressed("stream = { name = 's', partition_key = '${missing}' }", line), "s - []");
        assert_eq!(
            addressed("queue = '${missing}'", line),
            "`queue` is \"\" for this message: a target has a name"
        );
        let long = format!(r#"{{"line":"{}"}}"#, "ü".repeat(257));
        assert!(
            addressed("stream = { name = 's', partition_key = '${line}' }", &long)
                .ends_with("at most 256 characters")
        );
        let fits = format!(r#"{{"line":"{}"}}"#, "ü".repeat(256));
        assert!(addressed("stream = { name = 's', partition_key = '${line}' }", &fits).starts_with("s ü"));
    }

    #[test]
    fn a_request_keeps_to_its_server() {
        let action = "http = { name = 'h', path = '/lines/${line}/x', query = { site = '${line}' }, headers = { X-Line = '${line}' } }";
        assert_eq!(
            addressed(action, r#"{"line":"a b/c..?d"}"#),
            "h - [path=/lines/a%20b%2Fc..%3Fd/x, query.site=a b/c..?d, headers.X-Line=a b/c..?d]"
        );
        assert!(
            addressed(action, r#"{"line":"a\r\nX-Admin: 1"}"#)
                .ends_with("a header holds no control characters, line ends among them")
        );
        assert_eq!(addressed(action, "{}"), "h - [path=/lines//x]");
    }

    #[test]
    fn no_value_leads_a_server_that_decodes_the_path_upwards() {
        let action = "http = { name = 'h', path = '/lines/${line}/x' }";
        for line in [
            "..",
            "x/../../../admin/reset?",
            "x/..",
            "../x",
            "x/./y",
            "x\\..\\y",
            "x%2F..%2Fy",
            "x%2f%2e%2E%5cy",
            "x/..;a=b/y",
        ] {
            let payload = serde_json::json!({ "line": line }).to_string();
            let addressed = addressed(action, &payload);
            let why = "a path has no segments `.` and `..`, encoded ones among them";
            assert!(addressed.ends_with(why), "{line}: {addressed}");
        }
        for line in ["...", "x/..y", "v1.2/..a..", "a;.."] {
            let payload = serde_json::json!({ "line": line }).to_string();
            assert!(addressed(action, &payload).starts_with("h - [path=/lines/"), "{line}");
        }
    }

    #[test]
    fn a_message_does_not_choose_basic_ingest() {
        for (topic, payload) in [
            ("${reply}", r#"{"reply":"$aws/rules/hot/x"}"#),
            ("${start}/rules/hot/x", r#"{"start":"$aws"}"#),
            ("${a}${b}/hot/x", r#"{"a":"$aws/ru","b":"les"}"#),
        ] {
            let addressed = addressed(&format!("republish = '{topic}'"), payload);
            assert!(addressed.contains("only where the template does"), "{topic}: {addressed}");
        }
    }

    #[test]
    fn what_an_action_sets_is_bounded_together() {
        let action = "republish = { topic = 'a', headers = { user_properties = { a = '${t}', b = '${t}', c = '${t}' } } }";
        let payload = |bytes: usize| serde_json::json!({ "t": "x".repeat(bytes) }).to_string();
        assert!(addressed(action, &payload(ACTION_BYTES_MAX / 3 - 100)).starts_with("a - "));
        assert_eq!(
            addressed(action, &payload(ACTION_BYTES_MAX / 3)),
            "the settings of the action have more than 131072 bytes together for this message"
        );
    }

    #[test]
    fn what_the_log_is_told_of_a_fault_holds_no_value() {
        let fault = wrong("headers.Authorization", "Bearer s3cret\n", "a header holds no control characters");
        assert!(fault.to_string().contains("s3cret"));
        assert_eq!(
            fault.without_value(),
            "`headers.Authorization` can't be what it is for this message: a header holds no control characters"
        );
    }

    #[test]
    fn what_is_published_again_is_a_topic_with_properties() {
        let action = "republish = { topic = 'again/${line}', qos = 1, retain = '${keep}', headers = { content_type = 'text/${line}', message_expiry_secs = '${expiry}', user_properties = { site = ['n', '${line}'] } } }";
        assert_eq!(
            addressed(action, r#"{"line":"a","keep":true,"expiry":60}"#),
            "again/a - [qos=1, retain=true, headers.content_type=text/a, headers.message_expiry_secs=60, headers.user_properties.site=n, headers.user_properties.site=a]"
        );
        for (payload, why) in [
            (r#"{"line":"+"}"#, "a topic holds none of"),
            (r#"{"line":"a","keep":5}"#, "retain is true or false"),
            (r#"{"line":"a","expiry":1.5}"#, "a whole number of seconds"),
        ] {
            assert!(addressed(action, payload).contains(why), "{payload}: {}", addressed(action, payload));
        }
        assert_eq!(addressed("republish = '$$aws/rules/hot/x'", "{}"), "$aws/rules/hot/x - []");
        let line = r#"{"line":"a"}"#;
        assert_eq!(addressed("republish = '$$aws/rules/hot/${line}'", line), "$aws/rules/hot/a - []");
        assert!(addressed("republish = '${missing}'", "{}").ends_with("a topic has at least one character"));
    }

    proptest::proptest! {
        #[test]
        fn no_value_adds_a_segment_a_header_or_a_line(line in "\\PC{0,20}|[./\\\\?#%\r\n a]{0,9}") {
            let payload = serde_json::json!({ "line": line }).to_string();
            let path = addressed("http = { name = 'h', path = '/x/${line}/y' }", &payload);
            if let Some(path) = path.strip_prefix("h - [path=") {
                let segments: Vec<&str> = path.trim_end_matches(']').split('/').collect();
                proptest::prop_assert_eq!(segments.len(), 4, "{}", path);
                proptest::prop_assert!(segments[2].bytes().all(|byte| byte.is_ascii_graphic()) && segments[2] != "..");
            }
        }
    }
}
