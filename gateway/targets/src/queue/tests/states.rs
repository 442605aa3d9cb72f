//! The window alone: what a sequence of calls at given times does, written as text.

use bus::{Offset, Position};

use super::super::window::{Arrival, Claim, Policy, Receipt, VISIBILITY_MS_MAX, Window};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn position(number: u64) -> Position {
    Position { offset: Offset(number), ordinal: 0 }
}

/// Plays a script of `at ms: verb arguments` and returns what each step did, one line each.
///
/// Verbs: `in N [visible at]`, `take MAX VISIBILITY`, `change N RECEIVE VISIBILITY`, `delete N RECEIVE`, `abort N`,
/// `tick`, `held`, `first`.
fn play(policy: Policy, script: &str) -> String {
    let mut window = Window::default();
    let mut told = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (at, step) = line.split_once(": ").unwrap();
        let words: Vec<&str> = step.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        told.push(one(&mut window, policy, at.parse().unwrap(), words[0], &number, words.len()));
    }
    told.join("\n")
}

fn one(
    window: &mut Window,
    policy: Policy,
    now_ms: u64,
    verb: &str,
    number: &dyn Fn(usize) -> u64,
    words: usize,
) -> String {
    match verb {
        "in" => {
            let visible_at_ms = if words > 2 { number(2) } else { now_ms };
            let receipt = Receipt::default();
            let arrival = Arrival {
                position: position(number(1)),
                sent_at_ms: now_ms,
                visible_at_ms,
                body: None,
                receipt,
                group: None,
            };
            window.insert(arrival, now_ms);
            "in".into()
        }
        "take" => {
            let take = window.take(usize::try_from(number(1)).unwrap(), number(2), policy, now_ms);
            let taken = take
                .taken
                .iter()
                .map(|taken| format!("{}x{}", taken.position.offset, taken.receipt.receives));
            let exhausted = take.exhausted.iter().map(|position| format!("{}!", position.offset));
            format!("took {}", taken.chain(exhausted).collect::<Vec<_>>().join(" "))
        }
        "change" => {
            let receives = u32::try_from(number(2)).unwrap();
            match window.change_visibility(position(number(1)), receives, number(3), now_ms) {
                Ok(_) => "changed".into(),
                Err(refusal) => format!("{refusal:?}"),
            }
        }
        "delete" => {
            let claim = window.claim(position(number(1)), u32::try_from(number(2)).unwrap());
            if claim == Claim::Held {
                window.begin_delete(position(number(1)));
                window.remove(position(number(1)));
            }
            format!("{claim:?}")
        }
        "abort" => {
            window.begin_delete(position(number(1)));
            window.abort_delete(position(number(1)));
            "back".into()
        }
        "tick" => {
            let tick = window.tick(policy, now_ms);
            format!(
                "visible {} expired {} exhausted {}",
                tick.visible,
                tick.expired.len(),
                tick.exhausted.len()
            )
        }
        "held" => {
            let held = window.held();
            format!(
                "{} ready {} delayed {} in flight {} leaving",
                held.ready, held.delayed, held.in_flight, held.leaving
            )
        }
        "first" => window.first().map_or("none".into(), |first| first.offset.to_string()),
        other => panic!("no verb `{other}`"),
    }
}

const STANDARD: Policy = Policy { retention_ms: 4 * DAY_MS, receives_max: None };
const REDRIVEN: Policy = Policy { receives_max: Some(2), ..STANDARD };
const SHORT: Policy = Policy { retention_ms: 60_000, ..STANDARD };

/// What is proved, the policy, the script, what it does.
const CASES: &[(&str, Policy, &str, &str)] = &[
    (
        "visibility: a received message is hidden until its timeout and then comes again",
        STANDARD,
        "0: in 1\n0: take 10 30000\n29999: tick\n29999: take 10 30000\n30000: tick\n30000: take 10 30000",
        "in\ntook 1x1\nvisible 0 expired 0 exhausted 0\ntook \nvisible 1 expired 0 exhausted 0\ntook 1x2",
    ),
    (
        "visibility of zero: the message may be received again at once",
        STANDARD,
        "0: in 1\n0: take 1 0\n0: tick\n0: take 1 0",
        "in\ntook 1x1\nvisible 1 expired 0 exhausted 0\ntook 1x2",
    ),
    (
        "order: oldest first, and what came back shares turns with what is fresh",
        STANDARD,
        "0: in 1\n0: in 2\n0: in 3\n0: in 4\n0: take 1 10\n10: tick\n10: take 3 10",
        "in\nin\nin\nin\ntook 1x1\nvisible 1 expired 0 exhausted 0\ntook 2x1 1x2 3x1",
    ),
    (
        "delay: not before its time",
        STANDARD,
        "0: in 1 5000\n0: take 1 0\n0: held\n5000: tick\n5000: take 1 1000",
        "in\ntook \n0 ready 1 delayed 0 in flight 0 leaving\nvisible 1 expired 0 exhausted 0\ntook 1x1",
    ),
    (
        "delete: the newest handle deletes, also after the timeout; an older one does not",
        STANDARD,
        "0: in 1\n0: take 1 10\n10: tick\n10: delete 1 1\n10: delete 1 1",
        "in\ntook 1x1\nvisible 1 expired 0 exhausted 0\nHeld\nGone",
    ),
    (
        "delete with a stale handle deletes nothing",
        STANDARD,
        "0: in 1\n0: take 1 10\n10: tick\n10: take 1 10\n10: delete 1 1\n10: held",
        "in\ntook 1x1\nvisible 1 expired 0 exhausted 0\ntook 1x2\nStale\n\
         0 ready 0 delayed 1 in flight 0 leaving",
    ),
    (
        "a delete that could not be written brings the message back",
        STANDARD,
        "0: in 1\n0: take 1 1000\n0: abort 1\n0: take 1 1000",
        "in\ntook 1x1\nback\ntook 1x2",
    ),
    (
        "change visibility: longer, then zero",
        STANDARD,
        "0: in 1\n0: take 1 10\n5: change 1 1 100\n50: tick\n50: change 1 1 0\n50: tick\n50: take 1 10",
        "in\ntook 1x1\nchanged\nvisible 0 expired 0 exhausted 0\nchanged\nvisible 1 expired 0 exhausted 0\ntook 1x2",
    ),
    (
        "change visibility: not with a stale handle, not when visible, not unknown",
        STANDARD,
        "0: in 1\n0: take 1 10\n10: tick\n10: change 1 1 10\n10: take 1 10\n10: change 1 1 10\n0: change 9 1 1",
        "in\ntook 1x1\nvisible 1 expired 0 exhausted 0\nNotInFlight\ntook 1x2\nNotInFlight\nNotInFlight",
    ),
    (
        "redrive: after the last allowed receive the message moves when its timeout passes",
        REDRIVEN,
        "0: in 1\n0: take 1 10\n10: tick\n10: take 1 10\n20: tick\n20: take 1 10\n20: held",
        "in\ntook 1x1\nvisible 1 expired 0 exhausted 0\ntook 1x2\nvisible 0 expired 0 exhausted 1\n\
         took \n0 ready 0 delayed 0 in flight 1 leaving",
    ),
    (
        "retention: a message grows too old, ready or in flight",
        SHORT,
        "0: in 1\n0: in 2\n0: take 1 600000\n59999: tick\n60000: tick\n60000: first",
        "in\nin\ntook 1x1\nvisible 0 expired 0 exhausted 0\nvisible 0 expired 2 exhausted 0\nnone",
    ),
];

#[test]
fn a_message_goes_its_ways() {
    for (name, policy, script, expected) in CASES {
        assert_eq!(play(*policy, script), *expected, "{name}");
    }
}

#[test]
fn no_receive_hides_a_message_for_more_than_twelve_hours() {
    let policy = Policy { retention_ms: 14 * DAY_MS, receives_max: None };
    let script = format!(
        "0: in 1\n0: take 1 10000\n5000: change 1 1 {}\n5000: change 1 1 {}",
        VISIBILITY_MS_MAX,
        VISIBILITY_MS_MAX - 5000
    );
    assert_eq!(play(policy, &script), "in\ntook 1x1\nTooLong\nchanged");
}

#[test]
fn what_was_hidden_before_a_restart_is_hidden_after_it() {
    let policy = Policy { retention_ms: DAY_MS, receives_max: None };
    let mut window = Window::default();
    let receipt = Receipt { receives: 3, first_at_ms: 1, last_at_ms: 5, hidden_until_ms: 100 };
    let arrival =
        Arrival { position: position(1), sent_at_ms: 0, visible_at_ms: 0, body: None, receipt, group: None };
    window.insert(arrival, 50);
    assert!(window.take(1, 10, policy, 50).taken.is_empty());
    assert_eq!(window.tick(policy, 100).visible, 1);
    assert_eq!(window.take(1, 10, policy, 100).taken[0].receipt.receives, 4);
}

#[test]
fn a_clock_set_back_hides_nothing_for_longer_than_a_receive_can() {
    let mut window = Window::default();
    let receipt = Receipt { receives: 1, hidden_until_ms: 900 * DAY_MS, ..Receipt::default() };
    let arrival =
        Arrival { position: position(1), sent_at_ms: 0, visible_at_ms: 0, body: None, receipt, group: None };
    window.insert(arrival, 50);
    let policy = Policy { retention_ms: DAY_MS, receives_max: None };
    assert_eq!(window.next_due_ms(policy), Some(50 + VISIBILITY_MS_MAX));
}
