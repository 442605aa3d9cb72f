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
    /// Which queues may name this one as their dead-letter queue.
    pub redrive_allow: RedriveAllow,
    /// Keeps order within message groups and takes each message once; the name then ends in `.fifo`. For good.
    pub fifo: bool,
    /// A message without a deduplication id has the SHA-256 of its body for one. FIFO queues only.
    pub content_based_deduplication: bool,
    /// Where a deduplication id has to be unique. FIFO queues only.
    pub deduplication_scope: DeduplicationScope,
    /// To what SQS applies its limit on throughput. Kept and told, since here there is no such limit. FIFO queues only.
    pub throughput_limit: ThroughputLimit,
}

/// Where a deduplication id has to be unique.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeduplicationScope {
    /// In the queue.
    #[default]
    Queue,
    /// In its message group.
    MessageGroup,
}

/// To what a limit on throughput applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThroughputLimit {
    /// To the queue.
    #[default]
    PerQueue,
    /// To each message group; needs [`DeduplicationScope::MessageGroup`].
    PerMessageGroupId,
}

/// Which queues may name a queue as their dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedriveAllow {
    /// Every queue of the same type.
    #[default]
    All,
    /// None.
    None,
    /// Those named, at most 10.
    Queues(Vec<String>),
}

/// Most queues that a redrive allow policy names.
pub(super) const REDRIVE_SOURCES_MAX: usize = 10;

impl RedriveAllow {
    /// True when the queue `source` may send its dead letters here.
    pub fn allows(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Queues(names) => names.iter().any(|name| name == source),
        }
    }
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
            redrive_allow: RedriveAllow::All,
            fifo: false,
            content_based_deduplication: false,
            deduplication_scope: DeduplicationScope::Queue,
            throughput_limit: ThroughputLimit::PerQueue,
        }
    }
}

/// An attribute that is not what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// A number is outside its range.
    #[error("`{name}` is {value}; it must be from {min} to {max}")]
    Range {
        /// The attribute, as in the settings.
        name: &'static str,
        /// What it was set to.
        value: u32,
        /// The least it may be.
        min: u32,
        /// The most it may be.
        max: u32,
    },
    /// A standard queue can't have it.
    #[error("`{name}` is for FIFO queues only")]
    FifoOnly {
        /// The attribute, as in the settings.
        name: &'static str,
    },
    /// The name ends in `.fifo`, the attributes are a standard queue's.
    #[error("a name that ends in `.fifo` is a FIFO queue's; say that it is one, or choose another name")]
    FifoEnding,
    /// The limit on throughput does not fit the scope of deduplication ids.
    #[error(
        "a throughput limit per message group needs deduplication ids that are unique in their message group"
    )]
    LimitWithoutScope,
    /// Too many queues are allowed by name.
    #[error(
        "at most {REDRIVE_SOURCES_MAX} queues can be named as those that may send their dead letters here"
    )]
    TooManySources,
}

impl Attributes {
    /// Checks every attribute against SQS's limits.
    ///
    /// # Errors
    /// The first attribute that is outside.
    pub fn check(&self) -> Result<(), AttributeError> {
        let range = |name, value, min, max| match (min..=max).contains(&value) {
            true => Ok(()),
            false => Err(AttributeError::Range { name, value, min, max }),
        };
        range("delay_secs", self.delay_secs, 0, 900)?;
        range("message_bytes_max", self.message_bytes_max, 1_024, 1_048_576)?;
        range("retention_secs", self.retention_secs, 60, 1_209_600)?;
        range("receive_wait_secs", self.receive_wait_secs, 0, 20)?;
        range("visibility_timeout_secs", self.visibility_timeout_secs, 0, 43_200)?;
        if let Some(redrive) = &self.redrive {
            range("receives_max", redrive.receives_max, 1, 1_000)?;
        }
        match &self.redrive_allow {
            RedriveAllow::Queues(names) if names.len() > REDRIVE_SOURCES_MAX => {
                Err(AttributeError::TooManySources)
            }
            _ => self.check_fifo(),
        }
    }

    fn check_fifo(&self) -> Result<(), AttributeError> {
        let of_fifo_queues = [
            ("content_based_deduplication", self.content_based_deduplication),
            ("deduplication_scope", self.deduplication_scope != DeduplicationScope::Queue),
            ("throughput_limit", self.throughput_limit != ThroughputLimit::PerQueue),
        ];
        match of_fifo_queues.into_iter().find(|(_, is_set)| *is_set && !self.fifo) {
            Some((name, _)) => Err(AttributeError::FifoOnly { name }),
            None if self.throughput_limit == ThroughputLimit::PerMessageGroupId
                && self.deduplication_scope == DeduplicationScope::Queue =>
            {
                Err(AttributeError::LimitWithoutScope)
            }
            None => Ok(()),
        }
    }
}
