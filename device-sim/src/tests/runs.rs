//! Counting over broken connections, and reading back.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::broker::{Broker, Manners};
use super::play;
use super::queue::{self, Contents};
use crate::Summary;

const QUICK: &str = "--plain --interval-ms 5 --connect-rate 1000 --keep-alive-secs 5";

fn acknowledged(file: &std::path::Path) -> BTreeSet<(String, u64)> {
    let mut all = BTreeSet::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for range in line["ranges"].as_array().unwrap() {
            for sequence in range[0].as_u64().unwrap()..=range[1].as_u64().unwrap() {
                all.insert((line["device"].as_str().unwrap().to_owned(), sequence));
            }
        }
    }
    all
}

/// Plays against a broker with these manners, and checks that what counts as acknowledged is what it acknowledged.
async fn check(manners: Manners, line: &str) -> (Summary, Broker) {
    let broker = Broker::start(manners, None).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("acknowledged.jsonl");
    let line =
        format!("--address 127.0.0.1:{} {QUICK} {line} --acknowledged-file {}", broker.port, file.display());
    let summary = play(&line).await;
    let claimed = acknowledged(&file);
    assert_eq!(claimed.len() as u64, summary.acknowledged);
    {
        let seen = broker.seen.lock();
        let invented: Vec<_> = claimed.difference(&seen.acknowledged).collect();
        assert!(invented.is_empty(), "never acknowledged by the broker: {invented:?}");
        assert_eq!((seen.wrong_duplicate_flags, seen.out_of_order), (0, 0));
    }
    (summary, broker)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_sent_and_acknowledged_once() {
    let (summary, broker) = check(Manners::default(), "--devices 20 --messages-per-device 50").await;
    assert_eq!((summary.due, summary.sent, summary.acknowledged), (1000, 1000, 1000));
    assert_eq!((summary.resent, summary.unacknowledged, summary.connects), (0, 0, 20));
    assert_eq!(broker.seen.lock().publishes, 1000);
    assert_eq!(summary.puback_micros.count, 1000);
    assert_eq!(summary.exit_status(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_persists_gets_the_same_packets_again_with_dup() {
    let manners = Manners { cut_after: Some(17), ..Manners::default() };
    let (summary, broker) = check(manners, "--devices 5 --messages-per-device 60 --inflight 8").await;
    assert_eq!((summary.sent, summary.acknowledged, summary.republished), (300, 300, 0));
    assert!(summary.resent > 0 && broker.seen.lock().duplicates > 0);
    assert!(summary.disconnects.contains_key("closed by the gateway"), "{:?}", summary.disconnects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_packets_are_written_again_keeps_their_order() {
    let manners = Manners { cut_after: Some(3), ..Manners::default() };
    let line = "--devices 3 --messages-per-device 24 --inflight 12";
    let (summary, _) = check(manners, line).await;
    assert_eq!((summary.sent, summary.acknowledged), (72, 72));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_session_gets_new_packets() {
    let manners = Manners { cut_after: Some(17), forgets: true, ..Manners::default() };
    let (summary, broker) = check(manners, "--devices 5 --messages-per-device 60 --inflight 8").await;
    assert_eq!((summary.sent, summary.acknowledged, summary.resent), (300, 300, 0));
    assert!(summary.republished > 0);
    assert_eq!(broker.seen.lock().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_session_loses_nothing_either() {
    let manners = Manners { cut_after: Some(9), ..Manners::default() };
    let (summary, _) = check(manners, "--devices 3 --messages-per-device 40 --clean-session").await;
    assert_eq!((summary.sent, summary.acknowledged), (120, 120));
}

#[tokio::test(flavor = "multi_thread")]
async fn qos_2_is_acknowledged_at_pubcomp() {
    let manners = Manners { cut_after: Some(17), ..Manners::default() };
    let (summary, _) = check(manners, "--devices 3 --messages-per-device 40 --qos 2 --inflight 4").await;
    assert_eq!((summary.sent, summary.acknowledged), (120, 120));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_leaves_messages_unacknowledged_or_not_sent() {
    let manners = Manners { cut_after: Some(13), dies_after: Some(100), ..Manners::default() };
    let line = "--devices 4 --messages-per-device 60 --inflight 6 --drain-secs 0 --waiting-messages-max 5";
    let (summary, _) = check(manners, line).await;
    assert!(summary.acknowledged < 100);
    let not_sent: u64 = summary.not_sent.values().sum();
    assert_eq!(summary.due, summary.acknowledged + summary.unacknowledged + not_sent);
    assert!(summary.not_sent.contains_key(crate::engine::TOO_MANY_WAITING), "{:?}", summary.not_sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_counted_and_proves_nothing() {
    let line = format!("--address 127.0.0.1:1 {QUICK} --devices 2 --messages-per-device 5 --drain-secs 0");
    let summary = play(&line).await;
    assert!(summary.connect_failures["connection refused"] >= 2);
    assert_eq!(summary.not_sent[crate::engine::ENDED], 10);
    assert_eq!(summary.exit_status(), 3);
}

/// Plays a short run; `distort` decides what the target holds of it.
async fn read_back(
    option: &str,
    distort: impl FnOnce(&mut Vec<(String, String)>) + Send + 'static,
) -> (Summary, Arc<Mutex<Contents>>) {
    let broker = Broker::start(Manners::default(), None).await;
    let contents = Arc::new(Mutex::new(Contents::default()));
    let url = queue::start(Arc::clone(&contents)).await;
    let (seen, filled) = (Arc::clone(&broker.seen), Arc::clone(&contents));
    let filling = tokio::spawn(async move {
        while seen.lock().acknowledged.len() < 40 {
            tokio::task::yield_now().await;
        }
        let bodies = seen.lock().bodies.clone();
        let text = |body: &bytes::Bytes| String::from_utf8(body.to_vec()).unwrap();
        let mut all: Vec<_> =
            bodies.iter().enumerate().map(|(index, body)| (text(body), format!("id-{index}"))).collect();
        distort(&mut all);
        filled.lock().messages.extend(all);
    });
    let option = option.replace("URL", &url);
    let line = format!(
        "--address 127.0.0.1:{} {QUICK} --devices 4 --messages-per-device 10 --read-secs 1 {option}",
        broker.port
    );
    let summary = play(&line).await;
    filling.await.unwrap();
    (summary, contents)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_holds_everything_balances() {
    // PATH is set wherever tests run; any value will do as a secret.
    let option = "--read-queue URL/000000000000/all --access-key AKIAEXAMPLE --secret-environment PATH";
    let (summary, contents) = read_back(option, |_| ()).await;
    assert_eq!((summary.balance.delivered, summary.balance.lost), (Some(40), Some(0)));
    assert_eq!((summary.balance.corrupted, summary.balance.out_of_order), (Some(0), Some(0)));
    assert_eq!(contents.lock().deleted, 40);
    assert!(contents.lock().signed > 8);
    assert_eq!(summary.exit_status(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_ends_with_1() {
    let (summary, _) = read_back("--read-queue URL/000000000000/all", |all| drop(all.remove(7))).await;
    assert_eq!((summary.balance.delivered, summary.balance.lost), (Some(39), Some(1)));
    assert_eq!(summary.exit_status(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_allowed_but_not_under_another_event_id() {
    let (summary, _) = read_back("--read-queue URL/q", |all| all.push(all[3].clone())).await;
    assert_eq!((summary.balance.repeated, summary.exit_status()), (Some(1), 0));
    let other_id = |all: &mut Vec<(String, String)>| all.push((all[3].0.clone(), "other".into()));
    let (summary, _) = read_back("--read-queue URL/q", other_id).await;
    assert_eq!((summary.balance.repeated_with_other_event_id, summary.exit_status()), (Some(1), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_to_its_end() {
    let (summary, _) = read_back("--read-stream telemetry --api URL", |_| ()).await;
    assert_eq!((summary.balance.delivered, summary.balance.lost), (Some(40), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_read_proves_nothing() {
    let (summary, _) = read_back("--read-queue http://127.0.0.1:1/q", |_| ()).await;
    let error = summary.read_back_error.clone().unwrap();
    assert!(error.contains("ReceiveMessage at `http://127.0.0.1:1/` failed"), "{error}");
    assert_eq!(summary.exit_status(), 3);
}
