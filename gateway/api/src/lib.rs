//! HTTP: the SQS and Kinesis protocols, administration, health and metrics.
pub mod signature;
