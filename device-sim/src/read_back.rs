//! Reads a run's messages back from where they should have arrived, over that place's own protocol.
//!
//! A queue and a stream are read after the end. Requests of rules and webhooks, and a subscription, are received while
//! the run goes on. It must not know how the fleet sends.

mod books;
mod broker;
mod http;
mod mqtt;
mod queue;
mod request;
mod stream;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::command::RunArguments;
use crate::error::Error;
use crate::scenario::{ReadBack, ReadFrom, Signer};
pub(crate) use books::Books;
pub(crate) use broker::Broker;
use mqtt::Subscription;
use request::{Api, Key};

/// A request that fails is made again after this pause, until the time for reading is over.
const RETRY_MILLIS: u64 = 250;
/// What is received while the run goes on has come to its end when all is there and nothing came for this long, so
/// that repeats are seen too.
const QUIET_MILLIS: u64 = 300;
/// How often it is looked whether it has.
const LOOK_MILLIS: u64 = 20;

/// What the options of `run` say; `None` when nothing is to be read back.
///
/// # Errors
/// When it can't be read as they say.
pub(crate) fn of_arguments(arguments: &RunArguments) -> Result<Option<ReadBack>, Error> {
    let signer = arguments.access_key.as_ref().zip(arguments.secret_environment.as_ref());
    let signer = signer.map(|(access_key, secret_environment)| Signer {
        access_key: access_key.clone(),
        secret_environment: secret_environment.clone(),
        region: arguments.region.clone(),
    });
    let from = match (&arguments.read_queue, &arguments.read_stream) {
        (Some(url), _) => {
            queue_access(url, arguments.api.as_deref(), signer.as_ref())?;
            ReadFrom::Queue { url: url.clone(), api: arguments.api.clone(), signer }
        }
        (None, Some(name)) => {
            let api = arguments.api.clone().ok_or(Error::Missing("--api"))?;
            stream_access(&api, signer.as_ref())?;
            ReadFrom::Stream { name: name.clone(), api, signer }
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(ReadBack { from, longest: Duration::from_secs(arguments.read_secs) }))
}

/// A queue is asked at the origin of its URL, unless somebody says where.
fn queue_access(url: &str, api: Option<&str>, signer: Option<&Signer>) -> Result<Access, Error> {
    let origin = match api {
        Some(api) => origin("--api", api)?,
        None => origin("--read-queue", url)?,
    };
    Ok(Access { url: origin, key: key(signer)? })
}

fn stream_access(api: &str, signer: Option<&Signer>) -> Result<Access, Error> {
    Ok(Access { url: origin("--api", api)?, key: key(signer)? })
}

/// A place that is being read.
pub(crate) struct Reading {
    source: Source,
    books: Arc<Books>,
    longest: Duration,
}

enum Source {
    Queue { url: String, access: Access },
    Stream { name: String, access: Access },
    Http(http::Receiver),
    Mqtt(Box<mqtt::Reader>),
}

/// Where a queue or a stream is asked.
struct Access {
    url: String,
    key: Option<Key>,
}

impl Reading {
    /// Begins to receive what arrives while the run goes on. `broker` says where a subscription is made, if one is.
    ///
    /// # Errors
    /// When it can't listen or subscribe, or what is named isn't there.
    pub(crate) async fn start(
        read_back: &ReadBack,
        books: Arc<Books>,
        broker: impl FnOnce() -> Result<Broker, Error>,
    ) -> Result<Self, Error> {
        let source = match &read_back.from {
            ReadFrom::Queue { url, api, signer } => Source::Queue {
                url: url.clone(),
                access: queue_access(url, api.as_deref(), signer.as_ref())?,
            },
            ReadFrom::Stream { name, api, signer } => {
                Source::Stream { name: name.clone(), access: stream_access(api, signer.as_ref())? }
            }
            ReadFrom::Http { listen } => {
                let set_up = |source| Error::SetUp { what: "the receiver of HTTP requests", source };
                Source::Http(http::Receiver::start(*listen, Arc::clone(&books)).await.map_err(set_up)?)
            }
            ReadFrom::Mqtt { filter, qos, offline } => {
                let subscription = Subscription { filter: filter.clone(), qos: *qos, offline: *offline };
                let reader = mqtt::Reader::start(broker()?, subscription, Arc::clone(&books)).await;
                let refused = |reason| Error::Subscribe { filter: filter.clone(), reason };
                Source::Mqtt(Box::new(reader.map_err(refused)?))
            }
        };
        Ok(Self { source, books, longest: read_back.longest })
    }

    /// The place, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.source {
            Source::Queue { url, .. } => format!("queue `{url}`"),
            Source::Stream { name, access } => format!("stream `{name}` at `{}`", access.url),
            Source::Http(receiver) => format!("requests to `http://{}`", receiver.address()),
            Source::Mqtt(reader) => format!("subscription `{}`", reader.filter()),
        }
    }

    /// What is entered into.
    pub(crate) fn books(&self) -> &Arc<Books> {
        &self.books
    }

    /// Reads until everything acknowledged has been seen and nothing more comes, or the time is over. The books of all
    /// devices have been settled.
    ///
    /// # Errors
    /// In words, when the time ran out while the place could not be read: what is missing then proves nothing.
    pub(crate) async fn finish(self) -> Result<(), String> {
        let deadline = Instant::now() + self.longest;
        let books = &*self.books;
        match self.source {
            Source::Queue { url, access } => queue::read(&Api::new(access)?, &url, books, deadline).await,
            Source::Stream { name, access } => stream::read(&Api::new(access)?, &name, books, deadline).await,
            Source::Http(receiver) => {
                settle_down(books, deadline).await;
                receiver.stop();
                Ok(())
            }
            Source::Mqtt(reader) => reader.finish(deadline).await,
        }
    }
}

/// Waits until all is there and nothing more comes, or the time is over.
async fn settle_down(books: &Books, deadline: Instant) {
    let mut look = tokio::time::interval(Duration::from_millis(LOOK_MILLIS));
    let (mut entered, mut since) = (books.entered(), Instant::now());
    while Instant::now() < deadline {
        look.tick().await;
        let now = books.entered();
        if now != entered {
            (entered, since) = (now, Instant::now());
        } else if since.elapsed() >= Duration::from_millis(QUIET_MILLIS) && books.complete() {
            return;
        }
    }
}

fn key(signer: Option<&Signer>) -> Result<Option<Key>, Error> {
    let Some(Signer { access_key, secret_environment, region }) = signer else { return Ok(None) };
    let secret = std::env::var(secret_environment).map_err(|_| Error::Secret(secret_environment.clone()))?;
    Ok(Some(Key { id: access_key.clone(), secret, region: region.clone() }))
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
