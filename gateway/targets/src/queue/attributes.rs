//! What a queue can be told about itself, with SQS's names, limits and defaults.

/// The attributes of a queue. Times are in seconds, as in the SQS API.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attributes {
    /// How long a message waits before it may first be received: 0 to 900.
    pub delay_secs: u32,
    /// The largest body the API takes, attributes included: 1,024 to 1,048,576 bytes. What rules send is bounded by
    /// the largest MQTT payload instead.
    pub message_bytes_max: u32,
    /// How old a message may grow: 60 to 1,209,600 (14 days).
    pub retention_secs: u32,
    /// How long a receive that finds nothing waits unless it says otherwise: 0 to 20.
    pub receive_wait_secs: u32,
    /// How long a receive hides a message unless it says otherwise: 0 to 43,200 (12 hours).
    pub visibility_timeout_secs: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// The redrive policy of a queue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub dead_letter_queue: String,
    /// How often a message may be received before it moves there: 1 to 1,000.
    pub receives_max: u32,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            delay_secs: 0,
            message_bytes_max: 1024 * 1024,
            retention_secs: 4 * 24 * 60 * 60,
            receive_wait_secs: 0,
            visibility_timeout_secs: 30,
            redrive: None,
        }
    }
}

/// An attribute outside what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is {value}; it must be from {min} to {max}")]
pub struct AttributeError {
    /// The attribute, as in the settings.
    pub name: &'static str,
    /// What it was set to.
    pub value: u32,
    /// The least it may be.
    pub min: u32,
    /// The most it may be.
    pub max: u32,
}

impl Attributes {
    /// Checks every attribute against SQS's limits.
    ///
    /// # Errors
    /// The first attribute that is outside.
    pub fn check(&self) -> Result<(), AttributeError> {
        let range = |name, value, min, max| match (min..=max).contains(&value) {
            true => Ok(()),
            false => Err(AttributeError { name, value, min, max }),
        };
        range("delay_secs", self.delay_secs, 0, 900)?;
        range("message_bytes_max", self.message_bytes_max, 1_024, 1_048_576)?;
        range("retention_secs", self.retention_secs, 60, 1_209_600)?;
        range("receive_wait_secs", self.receive_wait_secs, 0, 20)?;
        range("visibility_timeout_secs", self.visibility_timeout_secs, 0, 43_200)?;
        match &self.redrive {
            Some(redrive) => range("receives_max", redrive.receives_max, 1, 1_000),
            None => Ok(()),
        }
    }
}
