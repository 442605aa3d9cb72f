//! What can be wrong before a fleet starts. Each says whose fault it is and what to do.

use std::path::PathBuf;

/// Why a run cannot start, or its result cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A scenario has mistakes.
    #[error("the scenario cannot be played:\n{0}")]
    Scenario(crate::scenario::Problems),
    /// The address is not HOST:PORT.
    #[error("`--address {0}` is not HOST:PORT; write for example `localhost:8883`")]
    Address(String),
    /// The host cannot stand in a certificate.
    #[error("`{0}` cannot be a server's name in a certificate; give one with `--server-name`")]
    ServerName(String),
    /// A number is outside its range.
    #[error("`{option} {value}` is out of range; it must be {range}")]
    Range {
        /// The option.
        option: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A template uses a placeholder that does not exist.
    #[error("unknown placeholder `{{{name}}}` in {place}{hint}; known are {known}")]
    Placeholder {
        /// The placeholder's name.
        name: String,
        /// Which template.
        place: &'static str,
        /// The nearest valid name, as a half sentence, or nothing.
        hint: String,
        /// All valid names.
        known: String,
    },
    /// Padding was asked for, but the template has no room for it.
    #[error(
        "`--padding-bytes` needs `{{padding}}` in the payload template, because the template is not a JSON object"
    )]
    NoPadding,
    /// A topic that no server accepts.
    #[error("`--topic {0}` cannot be published to: a topic is not empty and has no `+` or `#`")]
    Topic(String),
    /// A file or directory cannot be read.
    #[error("cannot read {what} `{}`: {source}; {advice}", path.display())]
    Read {
        /// What the file is.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// A file is not what it should be.
    #[error("{what} `{}` cannot be used: {reason}", path.display())]
    Content {
        /// What the file is.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The directory has fewer pairs than devices were asked for.
    #[error(
        "`{}` has {found} pairs of NAME.crt and NAME.key, but `--devices {wanted}` needs {wanted}; \
         issue more with `iot-gateway certs device` or ask for fewer devices", directory.display()
    )]
    TooFewCertificates {
        /// The directory.
        directory: PathBuf,
        /// How many pairs it has.
        found: usize,
        /// How many are needed.
        wanted: u32,
    },
    /// A certificate cannot be made.
    #[error("cannot make {what}: {reason}")]
    Certificate {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// A fault needs a certificate that is refused, and nothing can give one.
    #[error("no certificate that is {standing} for `{name}`: {advice}")]
    Standing {
        /// The device.
        name: String,
        /// What it should be.
        standing: &'static str,
        /// What to do.
        advice: String,
    },
    /// An option that is needed is missing.
    #[error("`{0}` is missing; give it, or `--plain` for bare TCP without certificates")]
    Missing(&'static str),
    /// The secret key is not in the environment.
    #[error("environment variable `{0}` is not set; put the secret key of `--access-key` into it")]
    Secret(String),
    /// A URL cannot be used.
    #[error("`{option} {value}` is not an http or https URL; write for example `http://127.0.0.1:8080`")]
    Url {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
    },
    /// The server's name leads nowhere.
    #[error("cannot find the server `{host}`: {reason}; check the name and the network")]
    Resolve {
        /// The server's name.
        host: String,
        /// Why.
        reason: String,
    },
    /// A password is not in the environment.
    #[error("environment variable `{0}` is not set; put the password of the fleet's devices into it")]
    Password(String),
    /// The first fleet comes in a way that the reader does not speak.
    #[error(
        "what arrives can be read back by `mqtt` only when the first fleet uses `tcp` or `tls`; put such a fleet first"
    )]
    ReaderTransport,
    /// The subscription that is read back could not be made.
    #[error("cannot subscribe to `{filter}` to read back what arrives: {reason}")]
    Subscribe {
        /// Its topic filter.
        filter: String,
        /// Why.
        reason: String,
    },
    /// A thread or a signal handler could not be set up.
    #[error("cannot set up {what}: {source}")]
    SetUp {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on `{option} {value}`: {source}; give an address of this machine and a free port")]
    Listen {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// Why.
        source: std::io::Error,
    },
    /// A result cannot be written.
    #[error("cannot write `{}`: {source}; check that the directory exists and has room", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// An unknown placeholder, with the nearest of those that exist.
    pub(crate) fn placeholder(name: &str, place: &'static str, known: &[&str]) -> Self {
        let nearest = known
            .iter()
            .map(|candidate| (strsim::damerau_levenshtein(candidate, name), *candidate))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let hint =
            nearest.map_or(String::new(), |(_, candidate)| format!(", did you mean `{{{candidate}}}`?"));
        let known = known.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(" ");
        Self::Placeholder { name: name.to_owned(), place, hint, known }
    }
}
