//! Serves an empty queue and stream in a directory, to try SDKs against:
//!
//! ```sh
//! cargo run -p api --example local_aws -- 127.0.0.1:4566 /tmp/local-aws [KEY_ID SECRET]
//! ```
//!
//! With a key, requests must be signed with it; without, nothing is checked.

use std::io;
use std::time::Duration;

use api::signature::AccessKey;
use api::{AwsSettings, aws_protocols};
use bus::{Bus, BusSettings};
use journal::Journal;
use journal::state::StateStore;
use targets::function::Functions;
use targets::{queue, stream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, directory, key @ ..] = &arguments[..] else {
        return Err("usage: local_aws ADDRESS DIRECTORY [KEY_ID SECRET]".into());
    };
    let directory = std::path::Path::new(directory);
    let journal = Journal::open(directory.join("journal"), journal::Settings::default())?;
    let store = StateStore::open(directory.join("state"))?;
    let bus = Bus::open(journal.clone(), &store, BusSettings::default())?;
    let redrive = queue::Redrive { dead_letter_queue: "failed".to_owned(), receives_max: 3 };
    let alerts = queue::Attributes { redrive: Some(redrive), ..queue::Attributes::default() };
    let declared = [("alerts".to_owned(), alerts), ("failed".to_owned(), queue::Attributes::default())];
    let settings = queue::Settings { declared: declared.into(), ..queue::Settings::default() };
    let queues = queue::Queues::open(&bus, &journal, &store, settings).await?;
    let declared =
        [("telemetry".to_owned(), stream::Attributes { shards: 2, ..stream::Attributes::default() })];
    let settings = stream::Settings { declared: declared.into(), ..stream::Settings::default() };
    let streams = stream::Streams::open(&bus, &journal, &store, settings).await?;
    bus.begin_trimming();

    let mut settings = AwsSettings { allow_unsigned_on_loopback: true, ..AwsSettings::default() };
    if let [id, secret] = key {
        settings.access_keys.push(AccessKey { id: id.clone(), secret: secret.clone() });
        settings.allow_unsigned_on_loopback = false;
    }
    let listener = tokio::net::TcpListener::bind(address).await?;
    let is_loopback = listener.local_addr()?.ip().is_loopback();
    let router = aws_protocols(queues.clone(), streams.clone(), Functions::default(), settings, is_loopback);
    let ending = queues.clone();
    let stopping = async move {
        stopped().await;
        ending.end_waits();
    };
    axum::serve(listener, router).with_graceful_shutdown(stopping).await?;
    queues.close().await;
    streams.close().await;
    bus.drain(Duration::from_secs(5)).await?;
    Ok(())
}

async fn stopped() {
    let outcome: io::Result<()> = tokio::signal::ctrl_c().await;
    if let Err(error) = outcome {
        tracing::error!(%error, "the interrupt signal can't be waited for");
    }
}
