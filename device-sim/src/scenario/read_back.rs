//! Where what arrived is read back.

use std::net::SocketAddr;
use std::time::Duration;

use super::Qos;

/// Where what arrived is read back, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// From where.
    pub from: ReadFrom,
    /// For at most this long after the end.
    pub longest: Duration,
}

/// From where arrived messages are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// A queue, consumed over the SQS protocol.
    Queue {
        /// Its URL.
        url: String,
        /// Where the protocol is spoken; `None`: at the origin of the URL.
        api: Option<String>,
        /// Who asks.
        signer: Option<Signer>,
    },
    /// A stream, read from its beginning over the Kinesis protocol.
    Stream {
        /// Its name.
        name: String,
        /// Where the protocol is spoken.
        api: String,
        /// Who asks.
        signer: Option<Signer>,
    },
    /// Requests that a rule or a webhook makes; received while the scenario plays.
    Http {
        /// Where to listen; port 0 for any.
        listen: SocketAddr,
    },
    /// A subscription of its own, made before the first device connects.
    Mqtt {
        /// Topic filter.
        filter: String,
        /// Quality of service asked for.
        qos: Qos,
        /// The subscriber leaves once it is subscribed and comes back after the end, so that everything has to be kept
        /// for it.
        offline: bool,
    },
}

/// Who signs requests for a queue or a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Access key id.
    pub access_key: String,
    /// Name of the environment variable that holds the secret key.
    pub secret_environment: String,
    /// Region that signatures are made for.
    pub region: String,
}
