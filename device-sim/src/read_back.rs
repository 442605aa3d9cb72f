//! Reads a run's messages back from the target that received them, over the target's own protocol.

mod queue;
mod request;
mod stream;

use std::time::Duration;

use tokio::time::Instant;

use crate::command::RunArguments;
use crate::error::Error;
use crate::truth::Ledger;
use request::{Api, Key};

/// A request that fails is made again after this pause, until the time for reading is over.
const RETRY_MILLIS: u64 = 250;

/// Where to read, and for how long.
pub(crate) struct Settings {
    target: Target,
    api: String,
    key: Option<Key>,
    longest: Duration,
}

enum Target {
    Queue { url: String },
    Stream { name: String },
}

impl Settings {
    /// `None` when nothing is to be read back.
    pub(crate) fn check(arguments: &RunArguments) -> Result<Option<Self>, Error> {
        let target = match (&arguments.read_queue, &arguments.read_stream) {
            (Some(url), _) => Target::Queue { url: url.clone() },
            (None, Some(name)) => Target::Stream { name: name.clone() },
            (None, None) => return Ok(None),
        };
        let api = match (&arguments.api, &target) {
            (Some(api), _) => origin("--api", api)?,
            (None, Target::Queue { url }) => origin("--read-queue", url)?,
            (None, Target::Stream { .. }) => return Err(Error::Missing("--api")),
        };
        let key = match (&arguments.access_key, &arguments.secret_environment) {
            (Some(id), Some(variable)) => {
                let secret = std::env::var(variable).map_err(|_| Error::Secret(variable.clone()))?;
                Some(Key { id: id.clone(), secret, region: arguments.region.clone() })
            }
            _ => None,
        };
        Ok(Some(Self { target, api, key, longest: Duration::from_secs(arguments.read_secs) }))
    }

    /// The target, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.target {
            Target::Queue { url } => format!("queue `{url}`"),
            Target::Stream { name } => format!("stream `{name}` at `{}`", self.api),
        }
    }

    /// Reads until everything acknowledged has been seen and nothing more comes, or the time is over.
    ///
    /// # Errors
    /// In words, when the time ran out while the target could not be read: what is missing then proves nothing.
    pub(crate) async fn read(&self, ledger: &mut Ledger) -> Result<(), String> {
        let api = Api::new(&self.api, self.key.clone())?;
        let deadline = Instant::now() + self.longest;
        match &self.target {
            Target::Queue { url } => queue::read(&api, url, ledger, deadline).await,
            Target::Stream { name } => stream::read(&api, name, ledger, deadline).await,
        }
    }
}

fn origin(option: &'static str, url: &str) -> Result<String, Error> {
    let wrong = || Error::Url { option, value: url.to_owned() };
    let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong());
    }
    Ok(format!("{}/", parsed.origin().ascii_serialization()))
}

/// Makes a request until it succeeds or the time is over.
async fn persist<T, Attempt: Future<Output = Result<T, String>>>(
    deadline: Instant,
    mut attempt: impl FnMut() -> Attempt,
) -> Result<T, String> {
    loop {
        match attempt().await {
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(RETRY_MILLIS)).await,
            done => return done,
        }
    }
}
