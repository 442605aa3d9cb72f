//! One run, from a checked scenario to its summary.

use std::sync::Arc;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::engine::{self, Played};
use crate::error::Error;
use crate::read_back::{Books, Broker, Reading};
use crate::report::{self, About, Account, Summary};
use crate::scenario::{ClientId, Fleet, Identity, Qos, Scenario};
use crate::settings::Settings;
use crate::truth::{Ledger, Tally};

/// How long a stopping runtime waits for what still runs in the background.
pub(crate) const SHUTDOWN: Duration = Duration::from_millis(200);

/// Plays a whole run and compares it with what arrived.
pub(crate) async fn play(mut settings: Settings) -> Result<Summary, Error> {
    let scenario = &settings.scenario;
    let workers = engine::workers(scenario);
    // One shard more, for what is read back.
    let tally = Arc::new(Tally::new(workers + 1));
    let names = names(scenario, &settings.run, settings.credentials.as_ref());
    let reading = match &scenario.read_back {
        Some(read_back) => {
            let books =
                Books::new(Ledger::new(&settings.run, names.clone()), Some((Arc::clone(&tally), workers)));
            let broker = || Broker::of(scenario, &settings.run, settings.credentials.as_ref());
            Some(Reading::start(read_back, books, broker).await?)
        }
        None => None,
    };
    if let Some(reading) = reading.as_ref().filter(|_| settings.report.live.progress.is_some()) {
        report::tell(&format!("what arrives is read back from {}", reading.describe()));
    }
    let credentials = settings.credentials.take();
    let playing = engine::play(scenario, &settings.run, &names, credentials, &tally, settings.ending);
    let about = About {
        name: if settings.report.scenario { scenario.name.clone() } else { settings.run.clone() },
        devices: scenario.devices().into(),
        address: scenario.server.address.to_string(),
    };
    let live = &settings.report.live;
    let _metrics = live.start(&tally).await?;
    let played = tokio::select! {
        played = Box::pin(playing) => played?,
        never = live.show(&tally, &about) => match never {},
    };
    conclude(&settings, &tally, played, reading).await
}

/// What each device is called, counted through all fleets.
fn names(scenario: &Scenario, run: &str, credentials: Option<&Credentials>) -> Vec<Arc<str>> {
    let certified: Vec<&Arc<str>> = credentials.and_then(Credentials::names).into_iter().flatten().collect();
    let name = |fleet: &Fleet, place: u32| match &fleet.client_id {
        ClientId::Certificate => {
            let index = (fleet.first_device + place) as usize;
            certified.get(index).map_or_else(|| "device".into(), |name| Arc::clone(name))
        }
        ClientId::Template(template) => {
            template.render(&Identity { device: "", fleet: &fleet.name, place, run }).into()
        }
    };
    scenario
        .fleets
        .iter()
        .flat_map(|fleet| (0..fleet.devices).map(move |place| (fleet, place)))
        .map(|(fleet, place)| name(fleet, place))
        .collect()
}

async fn conclude(
    settings: &Settings,
    tally: &Tally,
    played: Played,
    reading: Option<Reading>,
) -> Result<Summary, Error> {
    let Played { outcomes, took } = played;
    if let Some(path) = &settings.report.acknowledged_file {
        report::write_acknowledged(path, &outcomes)?;
    }
    let (mut ledger, mut read_back_error) = (None, None);
    if let Some(reading) = reading {
        if settings.report.live.progress.is_some() {
            report::tell(&format!("reading back {}", reading.describe()));
        }
        let books = Arc::clone(reading.books());
        for (outcome, device) in outcomes.iter().zip(0..) {
            books.ledger().settle(device, outcome.last_sequence, outcome.acknowledged.clone());
        }
        read_back_error = reading.finish().await.err();
        ledger = Some(books.close());
        tally.add_late();
    }
    let (totals, timeline) = tally.conclude();
    let scenario = &settings.scenario;
    Ok(Summary::of(Account {
        run: settings.run.clone(),
        scenario: settings.report.scenario.then(|| scenario.name.clone()),
        devices: outcomes.len(),
        seed: scenario.seed,
        qos: qos(scenario).map(Qos::number),
        took,
        totals,
        timeline,
        unacknowledged: outcomes.iter().map(|outcome| outcome.unacknowledged).sum(),
        ledger,
        read_back_error,
        thresholds: scenario.thresholds.clone(),
    }))
}

/// The quality of service of all messages, if it is the same.
fn qos(scenario: &Scenario) -> Option<Qos> {
    let publications = scenario.fleets.iter().flat_map(|fleet| &fleet.publications);
    let mut all = publications.map(|publication| publication.qos.single());
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}
