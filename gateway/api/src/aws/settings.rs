//! What the AWS protocols can be told.

use crate::signature::AccessKey;

/// Settings of the SQS and Kinesis protocols.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The account id in URLs and ARNs. Default `000000000000`.
    pub account_id: String,
    /// The region in ARNs. Default `us-east-1`.
    pub region: String,
    /// How clients reach this API, for queue URLs, as `http://gateway.plant:8080`. When absent, each client is told
    /// the host that it asked.
    pub public_url: Option<String>,
    /// The keys that may sign requests.
    pub access_keys: Vec<AccessKey>,
    /// Regions that a signature may be scoped to; empty accepts every region, the default.
    pub regions_accepted: Vec<String>,
    /// On a loopback listener, take requests as they are: no signature is asked for, and none is checked, since SDKs
    /// sign with whatever keys they find. Default false.
    pub allow_unsigned_on_loopback: bool,
    /// Largest request body. Default 16 MiB, which holds a Kinesis batch of 10 MiB in base64.
    pub body_bytes_max: usize,
    /// Most bytes of request bodies in memory at once. Default 128 MiB.
    pub bodies_bytes_max: usize,
    /// Most requests worked on at once, long polls included. Default 2,000.
    pub requests_max: usize,
    /// Most long polls at once. Default 1,000.
    pub long_polls_max: usize,
    /// How long a body may take to arrive. Default 10 s.
    pub body_secs_max: u64,
    /// How long an operation may take; more than the 20 s of a long poll. Default 40 s.
    pub request_secs_max: u64,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            account_id: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            public_url: None,
            access_keys: Vec::new(),
            regions_accepted: Vec::new(),
            allow_unsigned_on_loopback: false,
            body_bytes_max: 16 << 20,
            bodies_bytes_max: 128 << 20,
            requests_max: 2_000,
            long_polls_max: 1_000,
            body_secs_max: 10,
            request_secs_max: 40,
        }
    }
}
