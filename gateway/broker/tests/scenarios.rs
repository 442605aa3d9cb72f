//! Plays the files of `scenarios/`: each case is a conversation, named after the clause it proves.
//!
//! ```text
//! == name of the case [clause]
//! limits aws                      the ways of AWS IoT Core
//! limits queue_messages_max=3     bounds of this case, before anything else
//! a> CONNECT clean id=x           client `a` sends
//! a< CONNACK                      client `a` gets, next in its order
//! a< -                            client `a` got nothing more
//! a closed                        the connection of `a` ended
//! a lost                          the network of `a` fails
//! a stop / a go                   `a` does not read / reads on
//! +5s                             time passes
//! late 5s                         the same, and the broker is not asked what became due
//! hold / commit                   publishes wait for the disk / are durable
//! deny receive x t / allow        policy of client identifier `x` on topic `t` / none
//! restart                         kill -9 and a new process
//! restart committed               the same right after what was held became durable
//! repeat 500 LINE                 LINE with `%` counting from 1
//! drain s 500                     `s` gets 500 different PUBLISHes, acknowledging them
//! stats queued_messages=0         numbers of the broker
//! ```
//!
//! At the end of a case nobody may have a packet that was not expected.

mod stage;

use broker::{DropReason, Limits, QueueFull, QueueFullQos0};
use mqtt::Qos;
use stage::{Stage, text};
use std::path::Path;

struct Case {
    name: String,
    lines: Vec<(usize, String)>,
}

fn cases(file: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let script = std::fs::read_to_string(file).expect("the scenario file is readable");
    for (at, line) in script.lines().enumerate() {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), lines: Vec::new() });
            continue;
        }
        let line = line.split(" # ").next().unwrap_or_default().trim();
        if !line.is_empty() && !line.starts_with('#') {
            cases.last_mut().expect("a case has a name").lines.push((at + 1, line.to_owned()));
        }
    }
    cases
}

fn limits(case: &Case) -> Limits {
    let mut limits = Limits::default();
    for word in
        case.lines.iter().filter_map(|(_, line)| line.strip_prefix("limits ")).flat_map(str::split_whitespace)
    {
        if word == "aws" {
            limits = Limits::aws();
            continue;
        }
        let (name, value) = word.split_once('=').expect("name=value");
        let number: usize = value.parse().unwrap_or(0);
        match name {
            "queue_messages_max" => limits.queue_messages_max = number,
            "queue_bytes_max" => limits.queue_bytes_max = number,
            "queued_bytes_max" => limits.queued_bytes_max = number,
            "queue_full" => {
                limits.queue_full = match value {
                    "end_session" => QueueFull::EndSession,
                    "refuse" => QueueFull::Refuse,
                    "drop_newest" => QueueFull::DropNewest,
                    other => panic!("unknown policy `{other}`"),
                }
            }
            "queue_full_qos0" if value == "drop_newest" => limits.queue_full_qos0 = QueueFullQos0::DropNewest,
            "queue_qos0_offline" => limits.queue_qos0_offline = true,
            "inbound_window" => limits.inbound_window_messages_max = number as u16,
            "outbound_window" => limits.outbound_window_messages_max = number as u16,
            "qos_max" => limits.qos_max = Qos::from_number(number as u8).expect("0 to 2"),
            "retain_available" => limits.retain_available = number == 1,
            "wildcard_available" => limits.wildcard_subscriptions_available = number == 1,
            "shared_available" => limits.shared_subscriptions_available = number == 1,
            "keep_alive_secs_min" => limits.keep_alive_secs_min = number as u16,
            "keep_alive_secs_max" => limits.keep_alive_secs_max = number as u16,
            "session_expiry_secs_max" => limits.session_expiry_secs_max = number as u32,
            "will_delay_secs_max" => limits.will_delay_secs_max = number as u32,
            "sessions_max" => limits.sessions_max = number,
            "client_id_bytes_max" => limits.client_id_bytes_max = number,
            "subscriptions_per_session_max" => limits.subscriptions_per_session_max = number,
            "filters_per_subscribe_max" => limits.filters_per_subscribe_max = number,
            "filter_levels_max" => limits.filter_levels_max = number,
            "retained_messages_max" => limits.retained_messages_max = number,
            "inbound_aliases" => limits.inbound_topic_aliases_max = number as u16,
            other => panic!("unknown limit `{other}`"),
        }
    }
    limits
}

fn expect(stage: &mut Stage, name: &str, expected: &str, place: &str) {
    let got = stage.next(name).map_or("-".to_owned(), |packet| text::render(&packet));
    assert_eq!(got, expected, "{place}: what `{name}` got, and what it should have");
}

fn check_stats(stage: &Stage, line: &str, place: &str) {
    let stats = stage.broker.stats();
    for word in line.split_whitespace() {
        let (name, value) = word.split_once('=').expect("name=value");
        let got = match name {
            "connected" => stats.connected,
            "sessions" => stats.sessions,
            "subscriptions" => stats.subscriptions,
            "shared" => stats.shared_subscriptions,
            "wildcard" => stats.wildcard_subscriptions,
            "reserved_heard" => u64::from(stage.broker.hears_reserved()),
            "in_flight" => stats.in_flight,
            "retained" => stats.retained_messages,
            "queued_messages" => stats.queued_messages,
            "queued_bytes" => stats.queued_bytes,
            "overflowed" => stats.sessions_overflowed,
            "owed" => stage.owed() as u64,
            "stored_retained" => stage.stored_retained() as u64,
            "stored_wills" => stage.stored_wills() as u64,
            "stored_sessions" => stage.stored_sessions() as u64,
            label => {
                let reason = DropReason::ALL.iter().find(|reason| reason.label() == label);
                stats.dropped(*reason.unwrap_or_else(|| panic!("{place}: unknown number `{label}`")))
            }
        };
        assert_eq!(got.to_string(), value, "{place}: {name}");
    }
}

fn drain(stage: &mut Stage, rest: &str, place: &str) {
    let (name, count) = rest.split_once(' ').expect("drain CLIENT COUNT");
    let mut topics = std::collections::BTreeSet::new();
    while let Some(packet) = stage.next(name) {
        let mqtt::Packet::Publish(publish) = packet else { panic!("{place}: {packet:?} is no PUBLISH") };
        assert!(topics.insert(publish.topic.to_string()), "{place}: `{}` came twice", publish.topic);
        if let Some(id) = publish.packet_id {
            stage.send(name, text::parse(&format!("PUBACK {id}")));
        }
    }
    assert_eq!(topics.len().to_string(), count, "{place}: messages that `{name}` got");
}

fn milliseconds(time: &str) -> u64 {
    let (number, unit) = time.split_at(time.find(|c: char| !c.is_ascii_digit()).expect("a unit"));
    let number: u64 = number.parse().expect("a number");
    if unit == "ms" { number } else { number * 1_000 }
}

fn play(stage: &mut Stage, line: &str, place: &str) {
    if let Some(rest) = line.strip_prefix("repeat ") {
        let (count, line) = rest.split_once(' ').expect("repeat COUNT LINE");
        for number in 1..=count.parse::<usize>().expect("a count") {
            play(stage, &line.replace('%', &number.to_string()), place);
        }
        return;
    }
    if let Some(time) = line.strip_prefix('+') {
        stage.pass(milliseconds(time));
        return;
    }
    let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (head, rest) {
        ("limits", _) => {}
        ("late", time) => stage.now_ms += milliseconds(time),
        ("hold", _) => stage.hold(),
        ("commit", _) => stage.commit(),
        ("restart", "committed") => stage.restart_committed(),
        ("restart", _) => stage.restart(),
        ("allow", _) => stage.denied.lock().expect("not poisoned").clear(),
        ("deny", what) => {
            stage.denied.lock().expect("not poisoned").insert(what.to_owned());
        }
        ("drain", rest) => drain(stage, rest, place),
        ("stats", numbers) => check_stats(stage, numbers, place),
        (name, "closed") => assert!(stage.take_closed(name), "{place}: the connection of `{name}` is open"),
        (name, "lost") => {
            stage.lose(name);
            stage.take_closed(name);
        }
        (name, "stop") => stage.stop(name, true),
        (name, "go") => stage.stop(name, false),
        (head, packet) => match head.split_at(head.len() - 1) {
            (name, ">") => stage.send(name, text::parse(packet)),
            (name, "<") => expect(stage, name, packet, place),
            _ => panic!("{place}: `{line}` is no line of a scenario"),
        },
    }
}

fn run(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(file);
    let cases = cases(&path);
    assert!(!cases.is_empty(), "`{file}` has cases");
    let mut failures = Vec::new();
    for case in &cases {
        let played = std::panic::catch_unwind(|| {
            let mut stage = Stage::new(limits(case));
            for (number, line) in &case.lines {
                play(&mut stage, line, &format!("{file}:{number}"));
            }
            for name in stage.names() {
                expect(&mut stage, &name, "-", &format!("{file}, end of `{}`", case.name));
            }
        });
        if played.is_err() {
            failures.push(&*case.name);
        }
    }
    assert!(failures.is_empty(), "{} of {} cases failed: {failures:#?}", failures.len(), cases.len());
}

macro_rules! files {
    ($($name:ident = $file:literal;)*) => { $(#[test] fn $name() { run($file); })* };
}

files! {
    connect = "connect.txt";
    publish = "publish.txt";
    subscribe = "subscribe.txt";
    shared = "shared.txt";
    retained = "retained.txt";
    wills = "wills.txt";
    sessions = "sessions.txt";
    flow_control = "flow-control.txt";
    queues = "queues.txt";
    durable = "durable.txt";
    kill_paths = "kill-paths.txt";
    compatibility = "compatibility.txt";
}
