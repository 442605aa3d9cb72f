//! What the log says about those who were refused.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use certs::{Reason as Why, Validity};
use listener::{Listener, Reason, Settings};
use time::{Duration, OffsetDateTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::plant::{Plant, TLS_13, refusal, until_refused};

/// Everything this process logs. Each test's listener has its own name and finds its lines by it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt().json().with_writer(move || writer.clone()).init();
        log
    })
}

fn lines_of(listener: &str) -> Vec<serde_json::Value> {
    let log = String::from_utf8(log().0.lock().unwrap().clone()).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["fields"]["listener"] == listener).map(|line| line["fields"].clone()).collect()
}

fn listen(plant: &Plant, name: &str) -> Listener {
    log();
    Listener::bind(Settings { name: name.to_owned(), ..plant.settings() }).unwrap()
}

#[tokio::test]
async fn a_refusal_names_the_reason_and_the_certificate() {
    let mut plant = Plant::new();
    let now = OffsetDateTime::now_utc();
    let past = Validity::between(now - Duration::days(2), now - Duration::days(1)).unwrap();
    let expired = plant.authority.issue_device("late", Some("Plant 4"), past).unwrap();
    let revoked = plant.device("stolen");
    plant.authority.revoke("stolen", Why::KeyCompromise).unwrap();
    let listener = listen(&plant, "names");
    let address = listener.local_address();
    for credentials in [None, Some(&expired), Some(&revoked)] {
        refusal(address, &plant.client(credentials, TLS_13)).await;
    }
    let lines = lines_of("names");
    let shown: Vec<_> =
        lines.iter().map(|line| (&line["reason"], &line["subject"], &line["fingerprint"])).collect();
    let fingerprint = |credentials: &certs::Credentials| credentials.issued.fingerprint.to_string();
    assert_eq!(shown[0], (&"no_certificate".into(), &serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(shown[1], (&"expired".into(), &"O=Plant 4, CN=late".into(), &fingerprint(&expired).into()));
    assert_eq!(shown[2], (&"revoked".into(), &"CN=stolen".into(), &fingerprint(&revoked).into()));
    let date = past.not_after().format(&time::format_description::well_known::Rfc3339).unwrap();
    let why = lines[1]["why"].as_str().unwrap();
    assert!(why.contains(&date), "{why}");
    assert!(lines.iter().all(|line| line["peer"].as_str().unwrap().starts_with("127.0.0.1:")));
}

#[tokio::test]
async fn a_stranger_is_named_with_its_authority() {
    let plant = Plant::new();
    let directory = tempfile::TempDir::new().unwrap();
    let mut other = certs::Authority::create(directory.path(), "Some \"Other\"", Validity::days(3)).unwrap();
    let stranger = other.issue_device("stranger", None, Validity::days(1)).unwrap();
    let listener = listen(&plant, "strangers");
    refusal(listener.local_address(), &plant.client(Some(&stranger), TLS_13)).await;
    let line = &lines_of("strangers")[0];
    assert_eq!((&line["reason"], &line["subject"]), (&"unknown_authority".into(), &"CN=stranger".into()));
    let why = line["why"].as_str().unwrap();
    assert!(why.contains("Some") && why.contains("Other"), "{why}");
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_but_not_logged() {
    let plant = Plant::new();
    let listener = listen(&plant, "flood");
    for _ in 0..200 {
        let mut socket = TcpStream::connect(listener.local_address()).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    }
    until_refused(&listener, Reason::NotTls, 200).await;
    let lines = lines_of("flood").len() as u64;
    assert_eq!(lines + listener.stats().refusals_not_logged, 200);
    assert!(lines < 100, "{lines} lines");
}
