//! The program behind the function: this very binary, speaking the Lambda Runtime API. It notes in a file what it has taken.

use crate::http;
use crate::identity::{Arrival, Identity};
use crate::schedule::Behaviour;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files between the suite and its handlers.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    folder: PathBuf,
}

impl Notes {
    /// In this folder, which is not on the disk that runs full.
    pub(crate) fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let notes = Self { folder: folder.to_path_buf() };
        std::fs::create_dir_all(folder)?;
        notes.behave(Behaviour::Well)?;
        Ok(notes)
    }

    /// From now on handlers behave so.
    pub(crate) fn behave(&self, behaviour: Behaviour) -> anyhow::Result<()> {
        let word = match behaviour {
            Behaviour::Well => "well".to_string(),
            Behaviour::Fails => "fails".to_string(),
            Behaviour::Dies => "dies".to_string(),
            Behaviour::Slow(ms) => ms.to_string(),
        };
        let (new, file) = (self.folder.join("behaviour.new"), self.folder.join("behaviour"));
        std::fs::write(&new, word)?;
        Ok(std::fs::rename(new, file)?)
    }

    fn behaviour(&self) -> Behaviour {
        match std::fs::read_to_string(self.folder.join("behaviour")).unwrap_or_default().as_str() {
            "fails" => Behaviour::Fails,
            "dies" => Behaviour::Dies,
            word => word.parse().map_or(Behaviour::Well, Behaviour::Slow),
        }
    }

    fn append(&self, name: &str, text: &str) -> anyhow::Result<()> {
        // One write each, so that lines of several handlers do not mix.
        let mut file = File::options().create(true).append(true).open(self.folder.join(name))?;
        Ok(file.write_all(text.as_bytes())?)
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }

    /// What handlers have taken, in the order they did.
    pub(crate) fn taken(&self) -> anyhow::Result<Vec<Arrival>> {
        let read = |line: &String| {
            let line: Value = serde_json::from_str(line)?;
            Arrival::new(line["id"].as_str().unwrap_or_default(), &line["data"])
        };
        self.lines("taken").iter().map(read).collect()
    }

    /// Kills every handler of this folder that runs.
    pub(crate) fn kill_handlers(&self) {
        let folder = self.folder.display().to_string();
        for id in self.lines("processes") {
            // The number may be another's by now.
            let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let pid = id.parse().ok().and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| command.contains(&folder)) {
                // It may be gone in this moment.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Serves calls until the gateway goes away.
///
/// # Errors
/// When it is no Runtime API that it was started under.
pub(crate) fn run(folder: &Path, poison: Option<u64>) -> anyhow::Result<()> {
    let notes = Notes { folder: folder.to_path_buf() };
    notes.append("processes", &format!("{}\n", std::process::id()))?;
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").context("AWS_LAMBDA_RUNTIME_API")?;
    let stream = TcpStream::connect(&address)?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    let mut ask = |line: &str, body: &str| -> anyhow::Result<http::Message> {
        let length = body.len();
        let path = "/2018-06-01/runtime/invocation/";
        let (method, rest) = line.split_once(' ').context("a method")?;
        writer.write_all(
            format!(
                "{method} {path}{rest} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )?;
        http::read(&mut reader)?.context("the Runtime API is gone")
    };
    loop {
        let event = ask("GET next", "")?;
        let id = event.header("lambda-runtime-aws-request-id").to_string();
        match notes.behaviour() {
            Behaviour::Dies => std::process::exit(3),
            Behaviour::Fails => {
                let report = json!({ "errorType": "OutOfSorts", "errorMessage": "as the schedule has it" });
                ask(&format!("POST {id}/error"), &report.to_string())?;
                continue;
            }
            Behaviour::Slow(ms) => end_to_end::wait::let_pass(Duration::from_millis(ms)),
            Behaviour::Well => {}
        }
        let answer = take(&notes, &serde_json::from_slice(&event.body)?, poison)?;
        ask(&format!("POST {id}/response"), &answer.to_string())?;
    }
}

/// Notes the records of a batch up to the first that is poison; that and those of the same publisher behind it are named as failed.
fn take(notes: &Notes, event: &Value, poison: Option<u64>) -> anyhow::Result<Value> {
    let (mut lines, mut failed, mut broken) = (String::new(), Vec::new(), Vec::new());
    for record in event["Records"].as_array().context("Records")? {
        let data: Value = serde_json::from_str(record["body"].as_str().context("body")?)?;
        let identity = Identity::of(&data)?;
        let is_poison = poison.is_some_and(|poison| identity.number % poison == 1);
        if is_poison || broken.contains(&identity.publisher) {
            failed.push(json!({ "itemIdentifier": record["messageId"] }));
            broken.push(identity.publisher);
        } else {
            lines.push_str(&format!("{}\n", json!({ "id": record["messageId"], "data": data })));
        }
    }
    notes.append("taken", &lines)?;
    Ok(json!({ "batchItemFailures": failed }))
}
