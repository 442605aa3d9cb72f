//! Operations that are known and not done here.

use serde::Deserialize;

use super::faults;
use crate::aws::{Call, Fault, Nothing};

#[derive(Deserialize)]
pub(super) struct Anything {}

/// Who may do what is decided by the access keys in the settings.
pub(super) async fn permissions(_call: Call, _request: Anything) -> Result<Nothing, Fault> {
    Err(faults::unsupported(
        "queue policies are not kept here; access keys are set in the gateway's settings",
    ))
}
