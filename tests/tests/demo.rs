//! The first command of the README.

use anyhow::Context;
use end_to_end::{binary, free_port, wait, workspace};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The demo as a process; ended with everything it started when it is dropped.
struct Demo {
    child: Child,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start(seconds: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (mqtt, api) = (free_port()?.to_string(), free_port()?.to_string());
        let https = free_port()?.to_string();
        let child = Command::new(binary())
            .current_dir(workspace())
            .args([
                "demo",
                "--json",
                "--seconds",
                &seconds.to_string(),
                "--mqtt",
                &mqtt,
                "--https",
                &https,
                "--api",
                &api,
                "--data",
            ])
            .arg(folder.path().join("demo"))
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("balance.json"))?)
            .stderr(File::create(folder.path().join("said"))?)
            .spawn()?;
        Ok(Self { child, folder })
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn finish(mut self) -> anyhow::Result<(i32, Value)> {
        let child = &mut self.child;
        let status =
            wait::until("the demo to end", Duration::from_secs(150), || child.try_wait().ok().flatten());
        let status = status.with_context(|| self.said())?;
        let text = std::fs::read_to_string(self.folder.path().join("balance.json"))?;
        let balance =
            serde_json::from_str(&text).with_context(|| format!("{status}: {text}{}", self.said()))?;
        Ok((status.code().unwrap_or(-1), balance))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Asked first, so that it ends its own processes.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = kill_process(pid, Signal::TERM);
            let child = &mut self.child;
            let _ = wait::until("the demo to end", wait::SOON, || child.try_wait().ok().flatten());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The gateway among the demo's own children: the one that runs `serve`.
fn gateway_of(demo: &Demo) -> Option<Pid> {
    let children = format!("/proc/{0}/task/{0}/children", demo.child.id());
    // Any thread may have started it.
    let tasks = std::fs::read_dir(Path::new("/proc").join(demo.child.id().to_string()).join("task")).ok()?;
    let lists = tasks.flatten().map(|task| task.path().join("children")).chain([children.into()]);
    lists
        .filter_map(|list| std::fs::read_to_string(list).ok())
        .flat_map(|list| list.split_whitespace().map(str::to_string).collect::<Vec<_>>())
        .find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == b"serve")
        })
        .and_then(|pid| Pid::from_raw(pid.parse().ok()?))
}

fn places(balance: &Value) -> Vec<&Value> {
    balance["places"].as_array().into_iter().flatten().collect()
}

#[test]
fn the_demo_balances_and_every_count_is_equal() -> anyhow::Result<()> {
    let (status, balance) = Demo::start(8)?.finish()?;
    assert_eq!(status, 0, "{balance}");
    let acknowledged = balance["acknowledged"].as_u64().context("acknowledged")?;
    assert!(acknowledged > 0);
    assert_eq!(balance["sent"], acknowledged);
    let places = places(&balance);
    let names: Vec<_> = places.iter().filter_map(|place| place["name"].as_str()).collect();
    assert_eq!(names, ["queue", "stream", "function"]);
    for place in places {
        assert_eq!(place["delivered"], acknowledged, "{place}");
        assert_eq!((&place["lost"], &place["repeated"]), (&0.into(), &0.into()), "{place}");
    }
    assert_eq!(balance["balanced"], Value::Bool(true));
    Ok(())
}

#[test]
fn the_demo_loses_nothing_when_its_gateway_is_killed() -> anyhow::Result<()> {
    let demo = Demo::start(12)?;
    let log = demo.folder.path().join("demo/gateway.log");
    let connected = || std::fs::read_to_string(&log).unwrap_or_default().matches("connected").count();
    wait::for_true("the fleet to be connected", Duration::from_secs(60), || connected() >= 100)
        .with_context(|| demo.said())?;
    kill_process(gateway_of(&demo).context("the demo has a gateway")?, Signal::KILL)?;
    let (status, balance) = demo.finish()?;
    assert_eq!(status, 0, "{balance}");
    assert!(balance["gateway_restarts"].as_u64().is_some_and(|restarts| restarts >= 1), "{balance}");
    assert!(balance["acknowledged"].as_u64().is_some_and(|count| count > 0));
    for place in places(&balance) {
        assert_eq!(place["lost"], 0, "{place}");
    }
    Ok(())
}
