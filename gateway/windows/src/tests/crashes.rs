//! A crash between any two steps: what comes out is what comes out without one.

use futures::StreamExt as _;

use super::*;

/// Messages in chunks: when the chunk comes, in seconds, and the keys of its messages.
const CHUNKS: [(u64, &str); 6] = [(1, "abab"), (5, "aac"), (9, "b"), (13, "abc"), (24, "aa"), (29, "cb")];

/// What has been made durable, and how far the script has come.
async fn play(steps: i64) -> (Vec<String>, i64, u32) {
    let counts = definition("counts", "");
    let place = Place::new(&[&counts]);
    let mut run = place.open(Fuse::after(steps)).await;
    let (mut sent, mut crashes) = (0, 0);
    for (at, keys) in CHUNKS {
        place.set_clock(at);
        let messages: Vec<Record> =
            keys.chars().map(|key| message(&counts, &key.to_string(), START_MS + at * 1000)).collect();
        run.append(&messages).await;
        sent += messages.len() as u64;
        run = and_crash(&place, run, &mut crashes, |run| run.rows("counts") == sent).await;
    }
    place.set_clock(60);
    run = and_crash(&place, run, &mut crashes, |run| {
        run.open_groups() == 0 && run.windows.waiting()["counts"] == 0
    })
    .await;
    let results = run.windows.figures()["counts"].counts.results as usize;
    until("everything has come", || place.sink.results().len() == results).await;
    assert_eq!(run.windows.figures()["counts"].counts.folded, sent);
    let taken = run.fuse.taken(steps);
    run.close().await;
    (place.sink.results(), taken, crashes)
}

/// Waits until something is done; when the fuse blows before that, crashes and goes on.
async fn and_crash(place: &Place, run: Run, crashes: &mut u32, done: impl Fn(&Run) -> bool) -> Run {
    until("done or dead", || done(&run) || run.fuse.is_blown()).await;
    if !run.fuse.is_blown() {
        return run;
    }
    *crashes += 1;
    run.crash().await;
    let run = place.open(Fuse::default()).await;
    until("done after the crash", || done(&run)).await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn the_results_are_those_of_a_run_without_a_crash() {
    let (expected, steps, _) = play(1_000_000).await;
    let counted: u64 = expected
        .iter()
        .map(|result| serde_json::from_str::<serde_json::Value>(result).unwrap()["count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, 15, "{expected:?}");
    assert!(steps > 15, "only {steps} steps");
    // They wait more than they work, so many go at once.
    let plays =
        futures::stream::iter(1..steps).map(async |blows_after| (blows_after, play(blows_after).await));
    let mut plays = std::pin::pin!(plays.buffer_unordered(32));
    while let Some((blows_after, (results, _, crashes))) = plays.next().await {
        assert_eq!(results, expected, "with {crashes} crashes, after {blows_after} steps");
    }
}
