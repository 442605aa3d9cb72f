//! What people see of a run: the report in a browser (it opens without a complaint, everything is drawn, and people can
//! use it), the screen of a terminal, and metrics.

use anyhow::Context;
use end_to_end::{Fleet, Gateway, Metrics, Site, binary, browse, photograph, run_command, wait, workspace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the report calls its figures, for a run in which everything was measured.
const FIGURES: [&str; 8] =
    ["throughput", "puback", "puback-heat", "delivery", "delivery-heat", "connected", "connects", "errors"];

/// Three minutes in which a tenth of the fleet is cut off and the server stops for a while.
fn summary() -> Value {
    let bounds: Vec<u64> = (4..27).map(|power| 1 << power).collect();
    let away = |second: u64| (120..126).contains(&second);
    let percentiles = |second: u64, factor: u64| {
        let p50 = (800 + second % 13 * 20) * factor * if second == 126 { 400 } else { 1 };
        let count = if away(second) { 0 } else { 1000 };
        json!({ "count": count, "p50": p50, "p90": p50 * 2, "p99": p50 * 4, "p99_9": p50 * 7, "max": p50 * 9 })
    };
    let sample = |second: u64| {
        let connected =
            if away(second) { 0 } else { (second * 40).min(1000) - if second / 10 == 6 { 100 } else { 0 } };
        json!({
            "at_secs": second, "connected": connected, "connects": if second <= 25 { 40 } else { u64::from(second == 126) * 1000 },
            "full_handshakes": u64::from(second <= 25) * 40, "resumed_handshakes": u64::from(second == 126) * 1000,
            "due": 1000, "sent": connected, "resent": 0, "republished": 0, "acknowledged": connected, "received": connected,
            "answered": 0, "connect_failures": u64::from(away(second)) * 50, "disconnects": u64::from(second == 120) * 1000,
            "not_sent": 0, "refused": 0, "puback_micros": percentiles(second, 1), "delivery_micros": percentiles(second, 5),
        })
    };
    let row = |second: u64, factor: u64| {
        let middle = percentiles(second, factor)["p50"].as_u64().unwrap_or(1).ilog2() as usize - 3;
        let mut row = vec![0_u64; bounds.len() + 1];
        if !away(second) {
            (row[middle], row[middle + 1], row[middle + 3]) = (600, 390, 10);
        }
        row
    };
    let map = |factor| (1..=180).map(|second| row(second, factor)).collect::<Vec<_>>();
    json!({
        "format": 1, "run": "night", "scenario": "smart-meters", "devices": 1000, "seed": 7, "qos": 1, "seconds": 180.0,
        "due": 180_000, "sent": 170_000, "acknowledged": 170_000, "unacknowledged": 0, "resent": 12, "republished": 0,
        "received": 170_000, "delivered": 169_998, "lost": 2, "repeated": 3, "repeated_with_other_event_id": 0,
        "lost_messages": [{ "device": "meter-00017", "ranges": [[12, 13]] }],
        "connects": 2000, "full_handshakes": 1000, "resumed_handshakes": 1000,
        "connect_failures": { "connection refused": 300 }, "disconnects": { "closed by the server": 1000 }, "not_sent": {},
        "puback_micros": percentiles(1, 1), "delivery_micros": percentiles(1, 5), "connect_micros": percentiles(1, 9),
        "cpu_micros_per_message": 4.2, "memory_bytes_per_device": 18_000,
        "timeline": (1..=180).map(sample).collect::<Vec<_>>(),
        "heat": { "bounds_micros": bounds, "puback": map(1), "delivery": map(5) },
        "marks": [
            { "at_secs": 0.0, "kind": "stage", "name": "ramp" }, { "at_secs": 25.0, "kind": "stage", "name": "hold" },
            { "at_secs": 60.0, "kind": "fault", "name": "cut" }, { "at_secs": 70.0, "kind": "fault_end", "name": "cut" },
            { "at_secs": 119.5, "kind": "hook", "name": "server stops" }, { "at_secs": 125.5, "kind": "hook", "name": "server starts" },
        ],
        "thresholds": [
            { "name": "lost", "limit": 0.0, "found": 2.0, "passed": false },
            { "name": "puback_p99_ms", "limit": 50.0, "found": 3.2, "passed": true },
        ],
    })
}

/// A folder for what people may want to look at afterwards, outside the repository.
fn kept() -> anyhow::Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let folder = target.join("report");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn report(folder: &Path) -> anyhow::Result<PathBuf> {
    let (from, to) = (folder.join("summary.json"), folder.join("report.html"));
    std::fs::write(&from, summary().to_string())?;
    let words = [from.to_str(), Some("--html"), to.to_str()].into_iter().collect::<Option<Vec<_>>>();
    let words = words.context("the folder's name is text")?;
    run_command(&[&["device-sim", "report"], &words[..]].concat())?;
    Ok(to)
}

/// The report with a script that uses it, which its own policy would forbid.
fn measured(report: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(report)?;
    let policy = "http-equiv=\"Content-Security-Policy\"";
    anyhow::ensure!(text.contains(policy));
    let script = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("report/measure.js"))?;
    let text =
        text.replace(policy, "name=\"off\"").replace("</body>", &format!("<script>{script}</script></body>"));
    let copy = report.with_file_name("measured.html");
    std::fs::write(&copy, text)?;
    let page = browse(&copy)?;
    anyhow::ensure!(page.console.is_empty(), "{:?}", page.console);
    let (_, after) =
        page.dom.split_once("<pre id=\"measured\">").context("the script did not come to its end")?;
    let (json, _) = after.split_once("</pre>").context("the element ends")?;
    Ok(serde_json::from_str(&json.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))?)
}

#[test]
fn the_report_opens_without_a_complaint_and_draws_everything() -> anyhow::Result<()> {
    let folder = kept()?;
    let report = report(&folder)?;
    let page = browse(&report)?;
    assert_eq!(page.console, Vec::<String>::new());
    assert!(page.dom.contains(&format!("data-plots=\"{}\"", FIGURES.len())), "its script found every figure");
    for (picture, size, options) in [
        ("light.png", (1200, 5200), &[][..]),
        ("dark.png", (1200, 5200), &["--blink-settings=preferredColorScheme=0"][..]),
        ("narrow.png", (500, 2400), &[][..]),
    ] {
        let bytes = photograph(&report, &folder.join(picture), size, options)?;
        // An empty page of that size is a few thousand bytes.
        assert!(bytes > 60_000, "{picture} has {bytes} bytes");
    }
    Ok(())
}

#[test]
fn people_can_use_the_report() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let found = measured(&report(folder.path())?)?;
    let figures = found["figures"].as_array().context("figures")?;
    let names: Vec<_> = figures.iter().filter_map(|figure| figure["id"].as_str()).collect();
    assert_eq!(names, FIGURES);
    for figure in figures {
        let number = |key: &str| figure[key].as_f64().unwrap_or(0.0);
        assert!(number("width") > 400.0 && number("height") > 100.0, "{figure}");
        assert!(number("paths") >= 1.0 && number("widest") > number("width") / 2.0, "{figure}");
        assert!(number("highest") > 20.0, "{figure}");
        assert_eq!(figure["outside"], json!([]), "text beyond the drawing of {figure}");
    }
    assert_eq!(found["pale"], json!({ "light": [], "dark": [] }), "everything can be read");
    assert_eq!(found["dark"], "dark");
    assert_eq!(found["first"], "1 s: due 1,000/s, sent 40/s, acknowledged 40/s, received 40/s");
    assert_eq!(found["second"], "2 s: due 1,000/s, sent 80/s, acknowledged 80/s, received 80/s");
    assert_eq!(
        [&found["cursors"], &found["left"]],
        [FIGURES.len(), 0],
        "the moment is shown in every figure"
    );
    assert_eq!([&found["hidden"], &found["wide"]], [1, 0]);
    assert_eq!(found["focused"], true);
    Ok(())
}

#[test]
fn a_run_is_shown_while_it_goes_on_and_afterwards() -> anyhow::Result<()> {
    let site = Site::with_queue("[log]\nlevel = \"warn\"\nformat = \"json\"\n")?;
    site.register_many(20)?;
    let mut gateway = Gateway::start(&site)?;
    let (queue, file) = (gateway.consumer.queue_url("readings"), kept()?.join("run.html"));
    let html = file.to_str().context("the folder's name is text")?;
    let words = ["--devices", "20", "--interval-ms", "50", "--read-queue", &queue, "--html", html];
    let fleet = Fleet::start(&site, &[&words[..], &["--prometheus", "127.0.0.1:0"]].concat())?;
    let bound = Duration::from_secs(60);
    let url = wait::until("the metrics' address", bound, || {
        let said = std::fs::read_to_string(site.path("fleet.log")).ok()?;
        let (_, after) = said.split_once("metrics are at ")?;
        after.split_once('\n').map(|(url, _)| url.to_owned())
    })?;
    let shown = |name: &str| Metrics::fetch(&url).map_or(0.0, |metrics| metrics.sum(name, ""));
    wait::for_true("acknowledgements in the metrics", bound, || {
        shown("device_sim_messages_acknowledged_total") > 500.0 && shown("device_sim_connected") == 20.0
    })?;
    assert_eq!(Metrics::fetch(&url)?.sum("device_sim_handshakes_total", "kind=\"full\""), 20.0);
    let summary = fleet.stop(bound)?;
    assert_eq!((summary.status, summary.number("lost")?), (0, 0), "{}", summary.report);
    let page = browse(&file)?;
    assert_eq!(page.console, Vec::<String>::new());
    assert!(
        page.dom.contains(">passed</span>") && page.dom.contains("<th scope=\"row\"><code>lost</code></th>")
    );
    for figure in ["throughput", "puback", "puback-heat", "connected", "connects"] {
        assert!(page.dom.contains(&format!("id=\"{figure}\"")), "{figure}");
    }
    photograph(&file, &kept()?.join("run.png"), (1200, 4000), &[])?;
    gateway.stop()
}

/// Under a terminal of its own (`script` of Debian's bsdutils), as people see it.
#[test]
fn a_terminal_shows_one_screen_and_is_left_as_it_was() -> anyhow::Result<()> {
    let site = Site::with_queue("[log]\nlevel = \"warn\"\nformat = \"json\"\n")?;
    site.register_many(5)?;
    let mut gateway = Gateway::start(&site)?;
    let command = format!(
        "stty cols 70 rows 30 && {} device-sim run --address {} --server-name localhost --authority {} --certificates {} \
         --devices 5 --interval-ms 50 --seconds 4",
        binary().display(),
        site.tls_address,
        site.path("pki/authority.crt").display(),
        site.path("pki/devices").display(),
    );
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let output = script.stdin(Stdio::null()).output()?;
    let shown = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{shown:?}");
    let (before, screen) =
        shown.split_once("\x1b[?1049h\x1b[?25l").context("another screen, without a cursor")?;
    let (screen, after) = screen.split_once("\x1b[?25h\x1b[?1049l").context("the usual screen again")?;
    assert!(!before.contains('\x1b') && !after.contains('\x1b'), "{before:?} {after:?}");
    let frames: Vec<&str> = screen.split("\x1b[?2026h").skip(1).collect();
    assert!(frames.len() >= 3, "a frame for each second: {screen:?}");
    let last = frames[frames.len() - 1].replace("\x1b[H", "").replace("\x1b[K", "");
    let lines: Vec<&str> = last.split("\r\n").collect();
    assert!(
        lines.len() <= 30
            && lines.iter().all(|line| !line.contains("connected") || line.chars().count() <= 70),
        "{last}"
    );
    assert!(last.contains("of 5") && last.contains("PUBACK"), "{last}");
    assert!(
        after.contains("acknowledged") && after.contains("connect latency"),
        "the summary comes after it: {after:?}"
    );
    gateway.stop()
}

#[test]
fn a_complaint_would_be_seen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">";
    let picture = format!("{policy}<img src=\"https://example.invalid/picture.png\">");
    for (name, body) in [
        ("thrown", "<script>nothing.here()</script>"),
        ("said", "<script>console.error('said')</script>"),
        ("forbidden", &picture),
    ] {
        let file = folder.path().join(name).with_extension("html");
        std::fs::write(&file, format!("<!doctype html><title>t</title>{body}"))?;
        let page = browse(&file)?;
        assert_eq!(page.console.len(), 1, "{name}: {:?}", page.console);
    }
    Ok(())
}
