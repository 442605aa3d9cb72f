//! The AWS protocols as the settings want them served.

use crate::flow::deliver::Targets;
use crate::settings::Settings;
use api::signature::AccessKey;
use api::{AwsSettings, aws_protocols};
use axum::Router;

/// The SQS, Kinesis and Lambda protocols over the embedded queues, streams and functions.
pub(crate) fn protocols(settings: &Settings, targets: &Targets) -> Router {
    let raw = &settings.raw;
    let keys = settings.access_keys.iter();
    let aws = AwsSettings {
        account_id: raw.account_id.clone(),
        region: raw.region.clone(),
        access_keys: keys.map(|key| AccessKey { id: key.id.clone(), secret: key.secret.clone() }).collect(),
        public_url: raw.api.public_url.clone(),
        allow_unsigned_on_loopback: raw.api.unsigned_on_loopback,
        ..AwsSettings::default()
    };
    let (queues, streams, functions) =
        (targets.queues.clone(), targets.streams.clone(), targets.functions.clone());
    aws_protocols(queues, streams, functions, aws, raw.api.address.ip().is_loopback())
}
