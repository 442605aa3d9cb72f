//! What a call to the registry can fail with.

use access::{Fingerprint, PolicyError};

/// Why the registry did not do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nothing of that name is declared.
    #[error("there is no {what} `{name}`{}", did_you_mean(.nearest))]
    NotFound {
        /// Kind of thing looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// A name that exists and is nearly the same.
        nearest: Option<String>,
    },
    /// The name is taken.
    #[error("the {what} `{name}` exists already")]
    AlreadyExists {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Still attached.
    #[error("the {what} `{name}` is attached to {attached}; detach it first")]
    InUse {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// What holds it.
        attached: String,
    },
    /// Not a legal name.
    #[error("`{name}` is not a legal {what}: 1 to {characters_max} letters, digits and `{punctuation}`")]
    Name {
        /// Kind of name.
        what: &'static str,
        /// The name.
        name: String,
        /// What is legal beside letters and digits.
        punctuation: &'static str,
        /// The greatest length.
        characters_max: usize,
    },
    /// A limit is reached.
    #[error("{what} would be {count}, the limit is {maximum} (`{setting}`)")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many there would be.
        count: usize,
        /// How many there may be.
        maximum: usize,
        /// The setting that says so.
        setting: &'static str,
    },
    /// The policy document is refused.
    #[error("policy `{name}`: {error}")]
    Policy {
        /// The policy.
        name: String,
        /// What is wrong, and where.
        error: Box<PolicyError>,
    },
    /// An active certificate cannot be deleted.
    #[error("certificate `{0}` is active; set it to INACTIVE or REVOKED before deleting it")]
    StillActive(Fingerprint),
    /// Somebody changed it in between.
    #[error("the thing `{name}` has version {version}, not {expected}; read it again and repeat the change")]
    VersionConflict {
        /// The thing.
        name: String,
        /// Its version now.
        version: u64,
        /// The version the caller knows.
        expected: u64,
    },
    /// A row of the state store cannot be read.
    #[error("the registry row `{key}` in table `{table}` cannot be read: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The state store failed.
    #[error("the registry cannot be stored: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

pub(crate) fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}
