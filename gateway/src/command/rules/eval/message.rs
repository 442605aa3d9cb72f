//! The message that is tried, from the command line.

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use rules::{Message, Randomness};
use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The most that is read as a payload, in bytes; MQTT's largest packet.
const PAYLOAD_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct MessageArguments {
    /// The topic of the message
    #[arg(long)]
    topic: String,
    /// Its payload; @FILE reads it from a file, - from standard input
    #[arg(long, default_value = "{}", allow_hyphen_values = true)]
    payload: String,
    /// The payload is given in Base64
    #[arg(long)]
    base64: bool,
    /// The client that published it
    #[arg(long, value_name = "ID", default_value = "example")]
    client_id: String,
    /// It was published by HTTPS, so that it has no client id
    #[arg(long)]
    http: bool,
    /// What principal() gives
    #[arg(long)]
    principal: Option<String>,
    /// What accountid() gives
    #[arg(long, value_name = "ID")]
    account_id: Option<String>,
    /// What sourceip() gives
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<String>,
    /// What traceid() gives
    #[arg(long, value_name = "ID")]
    trace_id: Option<String>,
    /// A user property of MQTT 5; may be given more than once
    #[arg(long = "user-property", value_name = "NAME=VALUE")]
    user_properties: Vec<String>,
    /// The content type of MQTT 5
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The response topic of MQTT 5
    #[arg(long, value_name = "TOPIC")]
    response_topic: Option<String>,
    /// What timestamp() gives: milliseconds since 1970; now, if left out
    #[arg(long, value_name = "MS")]
    now: Option<u64>,
}

/// One draw of randomness, so that a piece has the value it has in the output.
pub(super) struct Fixed([u8; 16]);

impl Fixed {
    pub(super) fn new() -> Self {
        Self(rand::random())
    }
}

impl Randomness for Fixed {
    fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl MessageArguments {
    /// The bytes of the payload.
    pub(super) fn payload(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.payload == "-" {
            std::io::stdin()
                .take(PAYLOAD_BYTES_MAX)
                .read_to_end(&mut bytes)
                .context("standard input can't be read")?;
        } else if let Some(file) = self.payload.strip_prefix('@') {
            std::fs::File::open(file)
                .and_then(|file| file.take(PAYLOAD_BYTES_MAX).read_to_end(&mut bytes))
                .with_context(|| format!("{file} can't be read"))?;
        } else {
            bytes = self.payload.clone().into_bytes();
        }
        if self.base64 {
            bytes = STANDARD.decode(bytes.trim_ascii()).context("the payload is not Base64")?;
        }
        Ok(bytes)
    }

    /// The message as rules see it.
    pub(super) fn message<'m>(
        &'m self,
        payload: &'m [u8],
        randomness: &'m dyn Randomness,
    ) -> anyhow::Result<Message<'m>> {
        let mut message = Message::new(&self.topic, payload, self.now.unwrap_or_else(now_ms), randomness);
        if !self.http {
            message.client_id = Some(&self.client_id);
            message.trace_id = self.trace_id.as_deref();
        }
        message.principal = self.principal.as_deref();
        message.account_id = self.account_id.as_deref();
        message.source_ip = self.source_ip.as_deref();
        message.properties.content_type = self.content_type.as_deref();
        message.properties.response_topic = self.response_topic.as_deref();
        for property in &self.user_properties {
            let Some(pair) = property.split_once('=') else {
                bail!("`--user-property {property}` has no `=`; write NAME=VALUE");
            };
            message.properties.user_properties.push(pair);
        }
        Ok(message)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
