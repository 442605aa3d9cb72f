//! HTTP: the protocols in which consumers ask for what the gateway holds.
//!
//! [`aws_protocols`] makes the router that speaks the SQS and Kinesis JSON protocols and the Lambda API; other routers are merged beside
//! it by whoever serves them. A request goes the same way whatever its protocol: [`aws::dispatch`] reads it within
//! limits, [`signature`] says who made it, and the operation of that name in [`sqs`] or [`kinesis`] answers.
//!
//! This crate must not know: MQTT, rules, and how queues and streams do what they do (that is `targets`).

mod aws;
#[cfg(test)]
mod fixture;
mod kinesis;
mod lambda;
pub mod signature;
mod sqs;
mod stranger;

pub use aws::{AwsSettings, aws_protocols};
pub use stranger::{is_fixed, stranger};
