//! One schedule, from its first message to the verdict.

use crate::collect;
use crate::identity::{Arrival, Identity};
use crate::judge::{Books, Evidence, Order, Target, judge};
use crate::load::{Device, Diary, Fate};
use crate::log;
use crate::place::{Place, Without};
use crate::schedule::{Behaviour, Mood, Schedule, Strike};
use anyhow::Context;
use end_to_end::wait;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long devices may take to get their last answers, once nothing strikes any more.
const ANSWERED: Duration = Duration::from_secs(60);
/// How long targets may take to get what waits for them.
const DELIVERED: Duration = Duration::from_secs(60);
/// Memory that no schedule here may need, of a build without optimisation.
const MEMORY_BYTES_MAX: f64 = 400e6;

/// What came of a schedule.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What was promised and not kept.
    pub(crate) wrong: Vec<String>,
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) repeats: usize,
    pub(crate) dead_letters: usize,
    pub(crate) dropped: u64,
    pub(crate) resident_bytes: f64,
    /// The log of the gateway, when something is wrong.
    pub(crate) log: String,
}

/// Plays a schedule.
pub(crate) fn play(schedule: &Schedule, without: Without) -> Outcome {
    let mut place = match Place::new(schedule, without) {
        Ok(place) => place,
        Err(error) => return Outcome { wrong: vec![format!("{error:#}")], ..Outcome::default() },
    };
    let mut outcome = Outcome::default();
    if let Err(error) = run(schedule, &mut place, &mut outcome) {
        outcome.wrong.push(format!("{error:#}"));
    }
    outcome.wrong.extend(log::complaints(&place.gateway.log, schedule));
    if !outcome.wrong.is_empty() {
        outcome.log = place.gateway.log.text();
    }
    outcome
}

fn run(schedule: &Schedule, place: &mut Place, outcome: &mut Outcome) -> anyhow::Result<()> {
    let taken = Taken::default();
    let diaries = under_load(schedule, place, &taken)?;
    let mut evidence = Evidence {
        may_refuse_and_keep: schedule.fills_disk(),
        may_forget_resends: schedule.outlives_resends(),
        ..Evidence::default()
    };
    for diary in diaries {
        evidence.messages.extend(diary.messages);
    }
    let fates = |fate| evidence.messages.values().filter(|sent| sent.fate == fate).count();
    (outcome.acknowledged, outcome.refused) = (fates(Fate::Acknowledged), fates(Fate::Refused));
    outcome.repeats = evidence.messages.values().filter(|sent| sent.repeated).count();
    anyhow::ensure!(fates(Fate::Unknown) == 0, "{} messages were never answered", fates(Fate::Unknown));
    let ledger = wait_until_quiet(place)?;
    let resident = place.gateway.consumer.metrics()?.sum("process_resident_memory_bytes", "");
    outcome.resident_bytes = resident;
    if resident > MEMORY_BYTES_MAX {
        outcome.wrong.push(format!("{:.0} MB of memory", resident / 1e6));
    }
    evidence.targets = targets(schedule, place, &ledger, &taken)?;
    outcome.dead_letters = evidence.targets.iter().map(|target| target.dead.len()).sum();
    outcome.dropped = evidence.targets.iter().map(|target| target.books.dropped).sum();
    outcome.wrong.extend(judge(&evidence));
    for (number, server) in place.servers.iter().enumerate() {
        outcome.wrong.extend(server.strange().into_iter().map(|what| format!("http/h{number} got {what}")));
    }
    Ok(())
}

/// What was taken off the queue so far, in that order.
#[derive(Default)]
struct Taken {
    messages: Mutex<Vec<Arrival>>,
    /// Documents off the queue `errors`.
    documents: Mutex<Vec<Value>>,
}

impl Taken {
    /// What does not look like a message of the suite is noted under no publisher, and found there.
    fn note(&self, id: &str, data: &Value) {
        let strange = Identity { publisher: u64::MAX, number: 0 };
        let arrival = Arrival::new(id, data).unwrap_or_else(|_| Arrival {
            identity: strange,
            key: 0,
            id: id.to_string(),
        });
        self.messages.lock().expect("nobody panics while noting").push(arrival);
    }

    fn note_document(&self, document: Value) {
        self.documents.lock().expect("nobody panics while noting").push(document);
    }

    fn messages(&self) -> Vec<Arrival> {
        self.messages.lock().expect("nobody panics while noting").clone()
    }

    fn documents(&self) -> Vec<Value> {
        self.documents.lock().expect("nobody panics while noting").clone()
    }
}

/// Devices publish, somebody reads, and the schedule strikes.
fn under_load(schedule: &Schedule, place: &mut Place, taken: &Taken) -> anyhow::Result<Vec<Diary>> {
    let (stop, read_no_more) = (AtomicBool::new(false), AtomicBool::new(false));
    let address = place.site.plain_address;
    let consumer = place.gateway.consumer.clone();
    let last = schedule.strikes.last().map_or(0, |(at, _)| *at);
    let load = schedule.publishers.iter().map(|plan| plan.messages * 1_000 / plan.per_second).max();
    let deadline = Instant::now() + Duration::from_millis(last + load.unwrap_or(0)) + ANSWERED;
    std::thread::scope(|scope| {
        if schedule.reads_along {
            scope.spawn(|| {
                while !read_no_more.load(Relaxed) {
                    // It may be down, or hold what it has for another.
                    let took = collect::take(&consumer, "every", &mut |id, data| taken.note(id, &data));
                    let documents =
                        collect::take(&consumer, "errors", &mut |_, document| taken.note_document(document));
                    if took.unwrap_or(0) + documents.unwrap_or(0) == 0 {
                        wait::let_pass(Duration::from_millis(20));
                    }
                }
            });
        }
        let stop = &stop;
        let devices: Vec<_> = (0..)
            .zip(&schedule.publishers)
            .map(|(number, plan)| scope.spawn(move || Device::new(number, plan, address, stop).run(deadline)))
            .collect();
        let struck = strike(schedule, place).and_then(|()| heal(schedule, place));
        // Devices that nobody will answer are not waited for.
        stop.store(struck.is_err(), Relaxed);
        if struck.is_err() {
            let _ = place.gateway.kill();
        }
        let diaries = devices.into_iter().map(|device| device.join().expect("a device does not panic"));
        let diaries: anyhow::Result<Vec<Diary>> = if struck.is_ok() {
            diaries.collect()
        } else {
            diaries.for_each(drop);
            Ok(Vec::new())
        };
        read_no_more.store(true, Relaxed);
        struck.and(diaries)
    })
}

fn strike(schedule: &Schedule, place: &mut Place) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut is_full = false;
    for (at, strike) in &schedule.strikes {
        wait::let_pass(Duration::from_millis(*at).saturating_sub(begun.elapsed()));
        match strike {
            Strike::Kill { down_ms } => {
                place.gateway.kill()?;
                wait::let_pass(Duration::from_millis(*down_ms));
                start_again(place, is_full)?;
            }
            Strike::Restart => {
                // It does not start on a full disk.
                if place.gateway.is_running() {
                    place.gateway.terminate()?;
                    let status = place.gateway.wait_for_the_end(Duration::from_secs(40))?;
                    anyhow::ensure!(status.success() || is_full, "the gateway ended with {status}");
                }
                start_again(place, is_full)?;
            }
            Strike::Receiver(which, mood) => place.servers[*which].set(*mood),
            Strike::Function(behaviour) => place.notes.behave(*behaviour)?,
            Strike::FunctionKilled => place.notes.kill_handlers(),
            Strike::DiskFull => {
                is_full = true;
                place.fill_disk()?;
            }
            Strike::DiskFreed => {
                is_full = false;
                place.free_disk()?;
                if has_stopped_writing(place) {
                    place.gateway.kill()?;
                }
                if !place.gateway.is_running() {
                    start_again(place, false)?;
                }
            }
            Strike::Clock { secs } => place.jump(*secs)?,
            Strike::Reload => {
                place.site.write_rule("late", "SELECT * FROM 'late/#'", "queue = \"every\"")?;
                if place.gateway.is_running() {
                    place.gateway.hang_up()?;
                }
            }
        }
        if !is_full && !place.gateway.is_running() && has_stopped_writing(place) {
            start_again(place, false)?;
        }
        anyhow::ensure!(
            is_full || place.gateway.is_running(),
            "the gateway ended by itself after {strike:?}: {}",
            place.gateway.log.end()
        );
    }
    Ok(())
}

/// Whether the state store was refused by the disk: then it takes nothing more until the gateway is started again, and the log says so.
/// Its supervisor does that.
fn has_stopped_writing(place: &Place) -> bool {
    place.gateway.log.text().contains("takes no more changes since a write failed")
}

/// On a full disk it may not start; then it starts when there is room.
fn start_again(place: &mut Place, is_full: bool) -> anyhow::Result<()> {
    match place.gateway.start_again() {
        Err(_) if is_full => place.gateway.kill(),
        outcome => outcome,
    }
}

/// Everything is well again.
fn heal(schedule: &Schedule, place: &mut Place) -> anyhow::Result<()> {
    if place.gateway.is_running() && !schedule.fills_disk() {
        // Now, while it is of use: much waits.
        audited(place).context("after the last strike")?;
    }
    place.servers.iter().for_each(|server| server.set(Mood::Well));
    place.notes.behave(Behaviour::Well)?;
    place.free_disk()?;
    if schedule.fills_disk() && !place.gateway.is_running() {
        place.gateway.start_again()?;
    }
    match place.gateway.wait_until_ready() {
        // It ends by itself when there is room, for its supervisor to start it again.
        Err(_) if !place.gateway.is_running() && has_stopped_writing(place) => {
            place.gateway.start_again()?;
            place.gateway.wait_until_ready()
        }
        outcome => outcome,
    }
}

/// Waits until nothing waits for a target, and gives the books, which must balance and agree with the journal.
fn wait_until_quiet(place: &Place) -> anyhow::Result<Value> {
    let quiet = wait::for_true("every target to have what it is owed", DELIVERED, || {
        let metrics = place.gateway.consumer.metrics();
        if !metrics.is_ok_and(|metrics| metrics.sum("iot_gateway_events_waiting", "") == 0.0) {
            return false;
        }
        true
    });
    if let Err(error) = quiet {
        return Err(error.context(format!("{:#}", place.ask(&["ledger"])?)));
    }
    audited(place)
}

/// The books, which must balance and agree with the journal, whatever waits.
fn audited(place: &Place) -> anyhow::Result<Value> {
    // Of a view what is told at this moment counts as waiting; the next look finds it told.
    let looked = wait::until("books that agree with the journal", wait::SOON, || {
        place.ask(&["ledger", "--audit"]).ok()
    });
    let ledger = match looked {
        Ok(ledger) => ledger,
        Err(error) => return Err(error.context(format!("{:?}", place.ask(&["ledger", "--audit"])))),
    };
    anyhow::ensure!(ledger["balanced"] == true, "the books do not balance: {ledger}");
    anyhow::ensure!(ledger["disagreements"] == json!([]), "books and journal do not agree: {ledger}");
    Ok(ledger)
}

fn targets(
    schedule: &Schedule,
    place: &mut Place,
    ledger: &Value,
    taken: &Taken,
) -> anyhow::Result<Vec<Target>> {
    let consumer = place.gateway.consumer.clone();
    // A document that a full journal has no room for is left out; the dead letter has it all.
    let is_told_all = schedule.error_action && !schedule.fills_disk();
    let documents = if is_told_all { Some(documents(place, taken)?) } else { None };
    // What somebody took and could not delete is hidden for a second of a clock that may have jumped back.
    let jump = |place: &mut Place| place.jump(10_000);
    collect::take_all(&consumer, "every", &mut |id, data| taken.note(id, &data), || jump(place))?;
    let mut targets =
        vec![Target { arrivals: taken.messages(), ..target("queue/every", "every", Order::None) }];
    if schedule.stream_shards.is_some() {
        let arrivals = collect::stream(&consumer)?;
        targets.push(Target { arrivals, ..target("stream/s", "s", Order::Key) });
    }
    for (number, (receiver, server)) in schedule.receivers.iter().zip(&place.servers).enumerate() {
        let (name, rule) = (format!("http/h{number}"), format!("h{number}"));
        let (arrivals, poison) = (server.taken(), receiver.poison);
        targets.push(Target { arrivals, poison, ..target(&name, &rule, Order::Publisher) });
    }
    if let Some(function) = &schedule.function {
        let (arrivals, poison) = (place.notes.taken()?, function.poison);
        targets.push(Target { arrivals, poison, ..target("function/f", "f", Order::Publisher) });
    }
    let letters = place.ask(&["dead-letters", "list"])?;
    for target in &mut targets {
        let rule = target.rule.clone();
        target.books = books(ledger, &rule, &target.name)?;
        let of_target = letters.as_array().into_iter().flatten().map(|letter| &letter["attributes"]);
        let of_target = of_target.filter(|letter| letter["TARGET"] == target.name.as_str());
        target.dead =
            of_target.filter_map(|letter| letter["EVENT_ID"].as_str().map(str::to_string)).collect();
        target.documents = documents.as_ref().map(|all| all.get(&rule).cloned().unwrap_or_default());
    }
    Ok(targets)
}

fn target(name: &str, rule: &str, order: Order) -> Target {
    Target { name: name.to_string(), rule: rule.to_string(), order, ..Target::default() }
}

/// The messages that the error action was told of, by rule.
fn documents(place: &mut Place, taken: &Taken) -> anyhow::Result<BTreeMap<String, BTreeSet<Identity>>> {
    let consumer = place.gateway.consumer.clone();
    let mut note = |_: &str, document: Value| taken.note_document(document);
    collect::take_all(&consumer, "errors", &mut note, || place.jump(10_000))?;
    let mut documents: BTreeMap<String, BTreeSet<Identity>> = BTreeMap::new();
    for document in taken.documents() {
        let (rule, payload) = collect::error_document(&document)?;
        documents.entry(rule).or_default().insert(Identity::of(&payload)?);
    }
    Ok(documents)
}

fn books(ledger: &Value, rule: &str, target: &str) -> anyhow::Result<Books> {
    let rows = ledger["rows"].as_array().context("rows")?;
    let Some(row) = rows.iter().find(|row| row["rule"] == rule && row["target"] == target) else {
        return Ok(Books::default());
    };
    let count = |name: &str| row[name].as_u64().with_context(|| format!("`{name}` of {row}"));
    let dropped = count_in(&row["dropped"], |reason| reason == "overflow");
    Ok(Books {
        accepted: count("accepted")?,
        delivered: count("delivered")?,
        dead_lettered: count("dead_lettered")?,
        waiting: count("waiting")?,
        dropped,
        lost: count_in(&row["dropped"], |reason| reason != "overflow"),
    })
}

fn count_in(reasons: &Value, wanted: impl Fn(&str) -> bool) -> u64 {
    let reasons = reasons.as_object().into_iter().flatten().filter(|(reason, _)| wanted(reason));
    reasons.filter_map(|(_, count)| count.as_u64()).sum()
}
