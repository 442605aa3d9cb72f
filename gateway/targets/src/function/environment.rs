//! The environment of a program, as Lambda sets it.

use std::ffi::OsString;
use std::net::SocketAddr;

use super::config::Settings;

/// Set by the gateway for every instance; an operator can't set them.
const RESERVED: [&str; 13] = [
    // Set for each call by the program's own runtime, from what the Runtime API tells it.
    "_X_AMZN_TRACE_ID",
    "_HANDLER",
    "LAMBDA_TASK_ROOT",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

/// What an instance was made for: `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Initialization {
    /// For a call that waits.
    OnDemand,
    /// Ahead of calls.
    Provisioned,
}

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// All variables of an instance. Nothing else is handed on: the gateway's own environment may hold secrets.
pub(super) fn variables(
    settings: &Settings,
    api: SocketAddr,
    instance: &str,
    initialization: Initialization,
) -> Vec<(OsString, OsString)> {
    let initialization = match initialization {
        Initialization::OnDemand => "on-demand",
        Initialization::Provisioned => "provisioned-concurrency",
    };
    let task_root = settings.directory.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let mut variables: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())),
        ("TZ".into(), ":UTC".into()),
        ("LANG".into(), "C.UTF-8".into()),
    ];
    // Later ones win, so an operator may change the three above.
    variables.extend(settings.environment.iter().map(|(name, value)| (name.into(), value.into())));
    let fixed = [
        ("_HANDLER", settings.handler.clone()),
        ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", settings.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory_mib.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", settings.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", instance.to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", initialization.to_owned()),
        ("AWS_REGION", settings.region.clone()),
        ("AWS_DEFAULT_REGION", settings.region.clone()),
    ];
    variables.extend(fixed.into_iter().map(|(name, value)| (name.into(), value.into())));
    variables.push(("LAMBDA_TASK_ROOT".into(), task_root.into()));
    variables
}
