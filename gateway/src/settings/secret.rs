//! Access keys of the API. The secret is read from a file or the environment and never printed.

use super::error::{Origin, SettingsError};
use super::raw;
use std::fmt;

/// A key that signs requests (AWS Signature Version 4).
#[derive(Clone)]
pub(crate) struct AccessKey {
    /// The public part, as it stands in a request.
    pub(crate) id: String,
    /// The secret part.
    pub(crate) secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Reads the secret that belongs to `key`.
pub(super) fn read(key: &raw::AccessKey) -> Result<AccessKey, SettingsError> {
    let refuse = |message: String| SettingsError { origin: Origin::Together, message };
    let secret = match (&key.secret_file, &key.secret_environment) {
        (Some(path), None) => std::fs::read_to_string(path).map_err(|error| {
            refuse(format!("secret of access key `{}`: {}: {error}", key.id, path.display()))
        })?,
        (None, Some(name)) => std::env::var(name).map_err(|_| {
            refuse(format!("secret of access key `{}`: environment variable {name} is not set", key.id))
        })?,
        _ => {
            return Err(refuse(format!(
                "access key `{}` needs exactly one of `secret_file` and `secret_environment`",
                key.id
            )));
        }
    };
    let secret = secret.trim().to_string();
    if secret.is_empty() {
        return Err(refuse(format!("secret of access key `{}` is empty", key.id)));
    }
    Ok(AccessKey { id: key.id.clone(), secret })
}
