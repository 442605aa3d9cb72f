//! Names of rules and targets in the form in which AWS has them.

use crate::settings::Raw;

/// The ARN of a rule, as AWS IoT names it.
pub(crate) fn rule(raw: &Raw, rule: &str) -> String {
    format!("arn:aws:iot:{}:{}:rule/{rule}", raw.region, raw.account_id)
}

/// The ARN of a target: for kinds that stand for an AWS service that of the service's resource, else one of `iot`.
pub(crate) fn target(raw: &Raw, target: &bus::TargetName) -> String {
    let (region, account_id, name) = (&raw.region, &raw.account_id, target.name());
    match target.kind() {
        "queue" => format!("arn:aws:sqs:{region}:{account_id}:{name}"),
        "stream" => format!("arn:aws:kinesis:{region}:{account_id}:stream/{name}"),
        "function" => format!("arn:aws:lambda:{region}:{account_id}:function:{name}"),
        "http" => format!("arn:aws:events:{region}:{account_id}:api-destination/{name}"),
        "archive" => format!("arn:aws:events:{region}:{account_id}:archive/{name}"),
        kind => format!("arn:aws:iot:{region}:{account_id}:{kind}/{name}"),
    }
}
