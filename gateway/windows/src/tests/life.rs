//! What happens to windows when their rule changes.

use super::*;

impl Place {
    /// These definitions are in force from now on.
    async fn change(&self, run: &Run, definitions: &[&Arc<Definition>]) {
        let definitions: Vec<_> = definitions.iter().map(|definition| Arc::clone(definition)).collect();
        *self.definitions.lock() = definitions.clone();
        let windows = Arc::clone(&run.windows);
        assert!(tokio::task::spawn_blocking(move || windows.in_force(definitions)).await.unwrap());
    }
}

fn counts(results: &[String]) -> Vec<u64> {
    let count = |result: &String| {
        serde_json::from_str::<serde_json::Value>(result).unwrap()["count"].as_u64().unwrap()
    };
    let mut counts: Vec<u64> = results.iter().map(count).collect();
    counts.sort_unstable();
    counts
}

/// The same rule with another statement, as far as windows are concerned.
fn changed(name: &str) -> Arc<Definition> {
    definition(name, "[window]\ngroups_max = 7\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_is_finished_under_the_statement_it_began_with() {
    let (old, new) = (definition("counts", ""), changed("counts"));
    let place = Place::new(&[&old]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&old, "a", START_MS + 3_000), message(&old, "a", START_MS + 3_000)]).await;
    until("rows are folded", || run.rows("counts") == 2).await;
    place.change(&run, &[&new]).await;
    // A message that was evaluated before the change comes after it.
    run.append(&[message(&new, "a", START_MS + 3_001), message(&old, "a", START_MS + 3_002)]).await;
    until("rows are folded", || run.rows("counts") == 4).await;
    run.crash().await;
    let run = place.open(Fuse::default()).await;
    place.set_clock(15);
    until("both have closed", || place.sink.results().len() == 2).await;
    assert_eq!(counts(&place.sink.results()), [1, 3]);
    place.set_clock(100);
    until("the old one is forgotten", || run.windows.waiting().len() == 1 && run.open_groups() == 0).await;
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_removed_finishes_its_windows_and_leaves_nothing_behind() {
    let counts_rule = definition("counts", "");
    let place = Place::new(&[&counts_rule]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&counts_rule, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    place.change(&run, &[]).await;
    run.crash().await;
    let run = place.open(Fuse::default()).await;
    place.set_clock(15);
    until("it has closed", || place.sink.results().len() == 1).await;
    place.set_clock(100);
    until("it is forgotten", || run.windows.waiting().is_empty()).await;
    run.close().await;
    let (bus, state) = open_bus(place.directory.path(), place.clock()).await;
    for table in ["window_statements", "window_clocks", "window_groups", "window_results"] {
        assert!(state.table(table).unwrap().is_empty().unwrap(), "{table}");
    }
    drop(bus);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_comes_back_as_it_was_goes_on_with_its_windows() {
    let counts_rule = definition("counts", "");
    let place = Place::new(&[&counts_rule]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&counts_rule, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    place.change(&run, &[]).await;
    // Another description, other actions: the statement is the same.
    let back = definition("counts", "description = \"back\"\n");
    place.change(&run, &[&back]).await;
    run.append(&[message(&back, "a", START_MS + 4_000)]).await;
    until("the row is folded", || run.rows("counts") == 2).await;
    place.set_clock(15);
    until("it has closed", || place.sink.results().len() == 1).await;
    assert_eq!(counts(&place.sink.results()), [2]);
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_close_by_the_clock_but_not_before_rows_that_wait() {
    let counts_rule = definition("counts", "");
    let place = Place::new(&[&counts_rule]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&counts_rule, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    // The gateway is down while the window ends; a message of that window is in the journal already.
    run.crash().await;
    let (bus, state) = open_bus(place.directory.path(), place.clock()).await;
    bus.send(&message(&counts_rule, "a", START_MS + 4_000)).await.unwrap();
    drop((bus, state));
    place.set_clock(60);
    let run = place.open(Fuse::default()).await;
    until("it has closed", || place.sink.results().len() == 1).await;
    assert_eq!(counts(&place.sink.results()), [2]);
    // Set back, time begins anew; what is open ends as it is.
    run.append(&[message(&counts_rule, "a", START_MS + 60_000)]).await;
    until("the row is folded", || run.rows("counts") == 3).await;
    place.set_clock(20);
    until("it has ended", || place.sink.results().len() == 2).await;
    run.append(&[message(&counts_rule, "a", START_MS + 20_000)]).await;
    until("the row is folded", || run.rows("counts") == 4).await;
    place.set_clock(31);
    until("it has closed", || place.sink.results().len() == 3).await;
    assert_eq!(counts(&place.sink.results()), [1, 1, 2]);
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_another_version_is_refused_and_not_guessed_at() {
    let counts_rule = definition("counts", "");
    let place = Place::new(&[&counts_rule]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&counts_rule, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    run.close().await;
    let (bus, state) = open_bus(place.directory.path(), place.clock()).await;
    let table = state.table("window_rules").unwrap();
    table.insert("counts", br#"{"version":2,"position":null}"#).unwrap();
    let opened = Windows::open(&state, &bus, Arc::new(TestRules::default()), &[], place.clock());
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("has version 2, this program reads version 1"), "{error}");
}

/// A message with a time of its own.
fn event(definition: &Definition, at_secs: u64, accepted_secs: u64) -> Record {
    let payload = format!("{{\"key\":\"a\",\"at\":{}}}", START_MS + at_secs * 1000);
    message_of(definition, &payload, START_MS + accepted_secs * 1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_devices_have_time_to_send_again_what_was_not_acknowledged() {
    let text = "sql = \"SELECT key, count(*) AS count FROM 'plant/x' TIMESTAMP BY at GROUP BY key, TUMBLINGWINDOW(ss, 10)\"\n\
                [window]\nlateness_secs = 1\nidle_secs = 1\n";
    let by_time = Arc::new(Definition::parse("counts", "rule.toml", text).unwrap());
    let place = Place::new(&[&by_time]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(5);
    run.append(&[event(&by_time, 5, 5)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    run.crash().await;
    place.set_clock(100);
    let run = place.open(Fuse::default()).await;
    place.set_clock(110);
    run.append(&[event(&by_time, 6, 110)]).await;
    until("the row is folded", || run.rows("counts") == 2).await;
    place.set_clock(140);
    until("it has closed", || place.sink.results().len() == 1).await;
    assert_eq!(counts(&place.sink.results()), [2]);
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_removed_is_forgotten_while_the_clock_goes_on() {
    let (counts_rule, other) = (definition("counts", ""), definition("other", ""));
    let mut place = Place::new(&[&counts_rule, &other]);
    place.pace_ms = 1;
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&counts_rule, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    place.change(&run, &[&other]).await;
    place.set_clock(15);
    until("it has closed", || place.sink.results().len() == 1).await;
    place.set_clock(100);
    until("it is forgotten", || !run.windows.waiting().contains_key("counts")).await;
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clock_goes_on_alone_nothing_is_written() {
    const STEPS: i64 = 1_000_000;
    let (removed, kept) = (definition_over(86_400, "removed", ""), definition("kept", ""));
    let mut place = Place::new(&[&removed, &kept]);
    place.pace_ms = 1;
    let run = place.open(Fuse::after(STEPS)).await;
    place.set_clock(3);
    run.append(&[message(&removed, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("removed") == 1).await;
    place.change(&run, &[&kept]).await;
    // Long after it went out of force a window of it is still open.
    place.set_clock(100);
    let steps = run.fuse.taken(STEPS);
    until("it was looked at often", || place.now_ms.load(Ordering::SeqCst) > START_MS + 100_200).await;
    assert_eq!(run.fuse.taken(STEPS), steps);
    assert_eq!(run.open_groups(), 1);
    run.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_a_rule_that_cannot_be_read_wait_until_it_can() {
    let counts_rule = definition("counts", "");
    let place = Place::new(&[&counts_rule]);
    let run = place.open(Fuse::default()).await;
    place.set_clock(3);
    run.append(&[message(&counts_rule, "a", START_MS + 3_000)]).await;
    until("the row is folded", || run.rows("counts") == 1).await;
    run.crash().await;
    let (bus, state) = open_bus(place.directory.path(), place.clock()).await;
    bus.send(&message(&counts_rule, "a", START_MS + 4_000)).await.unwrap();
    drop((bus, state));
    place.set_clock(60);
    place.definitions.lock().clear();
    place.rules.is_unreadable.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let run = place.open(Fuse::default()).await;
        let is_tried = |lane: &bus::LaneStats| lane.failures.contains_key("UNREADABLE_RULE");
        until("the row is tried", || run.bus.stats().lanes.iter().any(is_tried)).await;
        place.change(&run, &[]).await;
        assert_eq!((run.open_groups(), run.rows("counts")), (1, 1));
        run.crash().await;
    }
    let run = place.open(Fuse::default()).await;
    place.rules.is_unreadable.store(false, Ordering::SeqCst);
    place.change(&run, &[]).await;
    until("it has closed", || place.sink.results().len() == 1).await;
    assert_eq!(counts(&place.sink.results()), [2]);
    assert!(run.bus.ledger().iter().all(|row| row.counts.dead_lettered == 0));
    run.close().await;
}
