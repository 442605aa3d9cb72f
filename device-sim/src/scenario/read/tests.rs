//! Scenarios that are right, and what is said about those that are wrong.

mod documentation;

use proptest::prelude::*;

use super::*;
use crate::generate::Generator;
use crate::scenario::timing::Moments;
use crate::scenario::{
    Body, Certificates, ClientId, FaultKind, Identity, Protocol, QosMix, ReadFrom, Signal, StageKind, Timing,
    Transport,
};
use crate::truth::Proof;
use crate::truth::proof::{Check, Origin, open, run_number};

/// Uses every part of the format.
const EVERYTHING: &str = include_str!("tests/everything.toml");
/// The least that is a scenario.
const LEAST: &str = "[[fleet]]\n";

/// Files that scenarios of these tests name.
fn files(path: &Path) -> io::Result<Vec<u8>> {
    let text = match path.to_str().unwrap_or_default() {
        "here/day.csv" => {
            "offset_ms,topic,payload\n0\n250,a/{device},\"{\"\"door\"\":\"\"open\"\",\"\"sequence\"\":7}\"\n"
        }
        "here/bad-trace.csv" => "0\nsoon\n",
        "here/rows.csv" => "n,temperature\n1,20.5\n2,\n",
        "here/bad-rows.csv" => "n,temperature\n1\n",
        "here/template.json" => r#"{"id":"{device}","t":{temperature}}"#,
        "cwd.csv" => "n\n5\n",
        _ => return Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Ok(text.as_bytes().to_vec())
}

fn read(text: &str, settings: &[&str]) -> Result<Scenario, Problems> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    Scenario::read("plant.toml", Path::new("here"), text, &settings, &files)
}

fn good(text: &str, settings: &[&str]) -> Scenario {
    read(text, settings).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A fleet with a publication that says this.
fn publishing(text: &str) -> String {
    format!("[[fleet]]\nname = \"meter\"\n[[fleet.publish]]\ntopic = \"a\"\n{text}\n")
}

#[test]
fn everything_can_be_said() {
    let scenario = good(EVERYTHING, &[]);
    assert_eq!((scenario.name.as_str(), scenario.seed), ("everything", 7));
    assert_eq!(scenario.end(), Some(Duration::from_secs(85)));
    let server = &scenario.server;
    assert_eq!(
        (server.address.to_string().as_str(), server.server_name.as_str()),
        ("gateway.example:8884", "gateway")
    );
    assert_eq!(server.authority.as_deref(), Some(Path::new("here/pki/authority.crt")));
    assert_eq!(server.source_addresses.of_device(17).unwrap().to_string(), "127.0.1.1");
    assert!(
        matches!(&server.certificates, Certificates::Authority { key, .. } if key == Path::new("here/ca.key"))
    );
    let [meter, panel] = scenario.fleets.as_slice() else { panic!("two fleets") };
    assert_eq!((meter.transport, meter.protocol, meter.devices), (Transport::Tls, Protocol::V5, 1000));
    assert_eq!(
        (panel.transport, panel.protocol, panel.first_device),
        (Transport::WebSocket, Protocol::V311, 1000)
    );
    let identity = Identity { device: "", fleet: "meter", place: 0, run: "r" };
    assert!(matches!(&meter.client_id, ClientId::Template(id) if id.render(&identity) == "meter-0001-r"));
    assert_eq!(meter.connects_at(400), Duration::from_secs(3));
    assert_eq!(meter.answer.as_ref().map(|answer| answer.after), Some(Duration::from_millis(50)));
    let timings: Vec<_> = meter.publications.iter().map(|publication| &publication.timing).collect();
    assert!(matches!(
        timings[..],
        [Timing::Every(_), Timing::Poisson { .. }, Timing::Trace(_), Timing::Saturate]
    ));
    let Body::Values(fields) = &meter.publications[0].payload.body else { panic!("values") };
    let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
    assert_eq!(names[..3], ["temperature", "pressure", "load"], "in the order of the file");
    assert_eq!(fields.len(), 16);
    assert_eq!(meter.publications[1].qos, QosMix::shares([0.5, 0.4, 0.1]).unwrap());
    let kinds: Vec<&str> = scenario.faults.iter().map(|fault| fault.kind.name()).collect();
    assert_eq!(kinds, FaultKind::NAMES);
    let stages: Vec<StageKind> = scenario.stages.begins().map(|(_, stage)| stage.kind).collect();
    assert_eq!(stages, [StageKind::Ramp, StageKind::Hold, StageKind::Spike, StageKind::Soak]);
    assert_eq!(scenario.hooks[0].name, "server stops");
    assert!(
        matches!(&scenario.read_back, Some(back) if matches!(back.from, ReadFrom::Mqtt { offline: true, .. }))
    );
    assert_eq!(scenario.thresholds.iter().count(), crate::scenario::MEASURES.len());
}

#[test]
fn the_least_has_defaults() {
    let scenario = good(LEAST, &[]);
    assert_eq!((scenario.name.as_str(), scenario.devices(), scenario.end()), ("plant", 10, None));
    assert_eq!(scenario.server.address.to_string(), "localhost:1883");
    assert_eq!(&*scenario.fleets[0].name, "device");
}

#[test]
fn settings_replace_what_the_file_says() {
    let scenario = good(
        EVERYTHING,
        &[
            "server.address=127.0.0.1:1",
            "fleet.meter.devices=5",
            "fleet.1.name=board",
            "fleet.*.inflight_max = 3",
            "fleet.meter.publish.0.every_ms=20",
            "fleet.meter.publish.0.values.site=Ulm",
            "server.certificates={ made = \"pki\" }",
            "stage.3.secs=1",
        ],
    );
    assert_eq!(scenario.server.address.to_string(), "127.0.0.1:1");
    // What a setting names is looked for where the command is typed.
    assert_eq!(scenario.server.certificates, Certificates::Made("pki".into()));
    let [meter, board] = scenario.fleets.as_slice() else { panic!("two fleets") };
    assert_eq!((meter.devices, &*board.name, board.first_device), (5, "board", 5));
    assert!(scenario.fleets.iter().all(|fleet| fleet.inflight_max == 3));
    assert!(matches!(meter.publications[0].timing, Timing::Every(interval) if interval.as_millis() == 20));
    assert_eq!(scenario.end(), Some(Duration::from_secs(26)));
    let single = good(LEAST, &["fleet.devices=77", "seed=3", "thresholds.lost=2"]);
    assert_eq!((single.devices(), single.seed, single.thresholds.iter().count()), (77, 3, 1));
    let csv =
        good(&publishing("every_ms = 5"), &["fleet.publish.values={ n = { csv = { file = \"cwd.csv\" } } }"]);
    assert!(matches!(&csv.fleets[0].publications[0].payload.body, Body::Values(fields)
        if matches!(fields[0].signal, Signal::Csv { .. })));
}

#[test]
fn templates_and_traces_are_read_from_their_files() {
    let template = good(
        &publishing(
            "every_ms = 5\npayload = \"template.json\"\npayload_bytes = 90\nvalues = { temperature = 5 }",
        ),
        &[],
    );
    let Body::Template(read) = &template.fleets[0].publications[0].payload.body else { panic!("a template") };
    assert!(read.has_padding());
    let trace = good(&publishing("trace = \"day.csv\""), &[]);
    let Timing::Trace(rows) = &trace.fleets[0].publications[0].timing else { panic!("a trace") };
    let row = rows.row(1).unwrap();
    assert_eq!((rows.len(), row.offset), (2, Duration::from_millis(250)));
    // The sequence that was recorded is not sent again.
    assert!(matches!(row.body.as_deref(), Some(Body::Values(fields)) if fields.len() == 1));
}

/// What is wrong with a text, as it is told.
fn check(text: &str, settings: &[&str], expected: &str) {
    match read(text, settings) {
        Ok(_) => panic!("this was accepted:\n{text}"),
        Err(problems) => {
            let told = problems.to_string();
            assert!(told.lines().any(|line| line.contains(expected)), "{text}\n{told}\nnot: {expected}");
        }
    }
}

#[test]
fn mistakes_in_fleets_are_told_with_their_place_and_the_nearest_name() {
    for (text, expected) in [
        ("", "plant.toml:1:1: a scenario needs `fleet`; write for example `[[fleet]]`"),
        ("[[fleet]]\nname = \n", "plant.toml:2:"),
        ("version = 2\n[[fleet]]", "plant.toml:1:11: version 2 of scenarios is unknown"),
        ("[[flet]]", "plant.toml:1:3: unknown key `flet` in a scenario; did you mean `fleet`?"),
        ("[[fleet]]\ndevice = 7", "plant.toml:2:1: unknown key `device` in a fleet; did you mean `devices`?"),
        ("[[fleet]]\nzzz = 7", "unknown key `zzz` in a fleet; a fleet has `transport`"),
        ("[[fleet]]\ndevices = 0", "plant.toml:2:11: `devices` is 0; it must be 1 to 1000000"),
        ("[[fleet]]\ndevices = -1", "`devices` is -1; it must be"),
        ("[[fleet]]\ndevices = \"many\"", "`devices` is a text; it must be a whole number"),
        ("[[fleet]]\ndevices = 1.5", "`devices` is a number; it must be a whole number"),
        ("[[fleet]]\nconnect_per_second = nan", "`connect_per_second` is a number; it must be a number"),
        (
            "[[fleet]]\ntransport = \"websockets\"",
            "`transport` cannot be `websockets`; did you mean `websocket`?",
        ),
        ("[[fleet]]\ntransport = \"tls\"", "TLS needs the `authority`"),
        ("[[fleet]]\nclient_id = \"meter\"", "`client_id` is the same for all devices"),
        ("[[fleet]]\nclient_id = \"{indx}\"", "unknown placeholder `indx`; did you mean `index`?"),
        ("[[fleet]]\nclient_id = \"{index}{device}\"", "`client_id` cannot have `{device}`"),
        ("[[fleet]]\n[[fleet]]", "plant.toml:2:1: there are two fleets called `device`"),
        ("[[fleet]]\npassword_environment = \"X\"", "a password needs a `user_name`"),
        ("[[fleet]]\ndevices = 999999\n[[fleet]]\nname = \"b\"", "more than 1000000 devices"),
        ("[[fleet]]\nwill = { payload = \"x\" }", "a will needs `topic`"),
        ("[[fleet]]\nwill = { topic = \"a/#\" }", "nothing can be published to a topic with `+` or `#`"),
        ("[[fleet]]\nsubscribe = [{ filter = \"a/#/b\" }]", "`a/#/b` is no topic filter"),
        ("[[fleet]]\nsubscribe = [{ filter = \"a/b+\" }]", "`a/b+` is no topic filter"),
        ("[[fleet]]\nsubscribe = [{ qos = 3 }]", "`qos` is 3; it must be 0 to 2"),
        ("[[fleet]]\nanswer = { filter = \"a\" }", "an answer needs `topic`"),
        ("fleet = 5", "`fleet` is a number; it must be a list of tables, as `[[fleet]]`"),
    ] {
        check(text, &[], expected);
    }
}

#[test]
fn mistakes_beside_fleets_are_told_likewise() {
    for (text, expected) in [
        (
            "[server]\naddress = \"gateway\"\n[[fleet]]",
            "plant.toml:2:11: `address` is `gateway`, which is not HOST:PORT",
        ),
        ("[server]\nsource_addresses = [\"10.0.0.0/33\"]\n[[fleet]]", "`10.0.0.0/33` is no address"),
        (
            "[server]\ncertificates = {}\n[[fleet]]",
            "`certificates` needs one of `folder`, `authority`, `made`",
        ),
        (
            "[server]\ncertificates = { folder = \"a\", made = \"b\" }\n[[fleet]]",
            "`certificates` has both `folder` and `made`; leave one out",
        ),
        ("[server]\ncertificates = { authority = \"a\" }\n[[fleet]]", "`certificates` needs `key`"),
        ("[[stage]]\nkind = \"rampe\"\nsecs = 5\n[[fleet]]", "did you mean `ramp`?"),
        ("[[stage]]\nkind = \"hold\"\n[[fleet]]", "a stage needs `secs`"),
        ("[[fault]]\nkind = \"cut\"\n[[fleet]]", "a fault needs `at_secs`"),
        ("[[fault]]\nkind = \"half_open\"\nat_secs = 1\n[[fleet]]", "`half_open` needs `for_secs`"),
        ("[[fault]]\nkind = \"clock_skew\"\nat_secs = 1\n[[fleet]]", "a fault needs `skew_secs`"),
        ("[[fault]]\nkind = \"cut\"\nat_secs = 1\nfleet = \"devic\"\n[[fleet]]", "did you mean `device`?"),
        (
            "[[fault]]\nkind = \"expired_certificate\"\nat_secs = 1\nfor_secs = 1\n[[fleet]]",
            "such a certificate comes from somewhere",
        ),
        (
            "[[fault]]\nkind = \"cut\"\nevery_secs = 5\nfor_secs = 6\n[[fleet]]",
            "lasts longer than until it begins again",
        ),
        ("[[hook]]\nat_secs = 1\ncommand = []\n[[fleet]]", "`command` is a program"),
        ("[read_back]\nstream = \"a\"\n[[fleet]]", "`[read_back]` needs `api`"),
        (
            "[read_back]\nqueue = \"ftp://x\"\n[[fleet]]",
            "`queue` is `ftp://x`, which is not an http or https URL",
        ),
        ("[read_back]\nhttp = \"here\"\n[[fleet]]", "it is an address to listen on"),
        ("[read_back]\nmqtt = { filter = \"a\" }\naccess_key = \"a\"\n[[fleet]]", "unknown key `access_key`"),
        ("[thresholds]\nlosses = 0\n[[fleet]]", "unknown key `losses` in `[thresholds]`"),
        ("[thresholds]\nlost = -1\n[[fleet]]", "`lost` is -1; it must be 0 to"),
    ] {
        check(text, &[], expected);
    }
}

#[test]
fn mistakes_in_publications_are_told_likewise() {
    for (text, expected) in [
        (
            "",
            "plant.toml:3:1: a publication needs one of `every_ms`, `poisson_per_second`, `trace`, `saturate`",
        ),
        ("every_ms = 5\nsaturate = true", "a publication has both `every_ms` and `saturate`; leave one out"),
        ("saturate = false", "a publication needs `every_ms`"),
        ("saturate = true\njitter = 0.5", "`jitter` makes `every_ms` irregular, and nothing else"),
        ("every_ms = 5\nqos = { \"0\" = 0.0 }", "not all 0"),
        ("every_ms = 5\nqos = { \"3\" = 1 }", "unknown quality of service `3`"),
        ("trace = \"missing.csv\"", "cannot read trace `here/missing.csv`"),
        ("trace = \"bad-trace.csv\"", "here/bad-trace.csv:2: `soon` is no number of milliseconds"),
        ("every_ms = 5\nformat = \"yaml\"", "`format` cannot be `yaml`; there are `json`, `cbor`, `raw`"),
        ("every_ms = 5\nformat = \"raw\"\npayload_bytes = 20", "begins with a proof of 40 bytes"),
        ("every_ms = 5\nformat = \"raw\"\nvalues = { a = 1 }", "a raw payload has no values"),
        ("every_ms = 5\nformat = \"cbor\"\npayload = \"{}\"", "`payload` is a template of JSON"),
        ("every_ms = 5\npayload = \"{sequenc}\"", "unknown placeholder `sequenc`; did you mean `sequence`?"),
        ("every_ms = 5\npayload = \"[{sequence}]\"\npayload_bytes = 50", "`payload_bytes` needs `{padding}`"),
        ("every_ms = 5\nvalues = { sequence = 1 }", "`sequence` is part of the proof"),
        (
            "every_ms = 5\nvalues = { a = { wak = {} } }",
            "`a` names no kind of change, but `wak`; did you mean `walk`?",
        ),
        ("every_ms = 5\nvalues = { a = {} }", "`a` names no kind of change; there are `walk`"),
        ("every_ms = 5\nvalues = { a = { walk = {} } }", "a walk needs `step`"),
        (
            "every_ms = 5\nvalues = { a = { walk = { step = 1, min = 5, max = 4 } } }",
            "`min` is 5 and `max` is 4",
        ),
        (
            "every_ms = 5\nvalues = { a = { walk = { step = 1, min = 5 } } }",
            "begins at 0, outside its bounds",
        ),
        ("every_ms = 5\nvalues = { a = { uniform = { min = 0 } } }", "`uniform` needs `max`"),
        (
            "every_ms = 5\nvalues = { a = { sine = { amplitud = 1, period_secs = 5 } } }",
            "did you mean `amplitude`?",
        ),
        ("every_ms = 5\nvalues = { a = { states = [], dwell_secs = 5 } }", "there are 1 to 1024 `states`"),
        ("every_ms = 5\nvalues = { a = { states = [\"x\"], dwell_secs = [5, 1] } }", "the smaller one first"),
        ("every_ms = 5\nvalues = { a = { fake = \"serial\" } }", "did you mean `serial_number`?"),
        (
            "every_ms = 5\nvalues = { a = { gps = { route = [[0, 0]] } } }",
            "`route` is a list of at least two points",
        ),
        (
            "every_ms = 5\nvalues = { a = { csv = { file = \"bad-rows.csv\" } } }",
            "here/bad-rows.csv:2: has 1 cells",
        ),
        (
            "every_ms = 5\nvalues = { a = { csv = { file = \"rows.csv\", column = \"temprature\" } } }",
            "has no column `temprature`; did you mean `temperature`?",
        ),
    ] {
        check(&publishing(text), &[], expected);
    }
}

#[test]
fn mistakes_in_settings_name_the_setting() {
    for (setting, expected) in [
        ("devices", "--set devices: it is not KEY=VALUE"),
        ("fleet.meter.devices=none", "--set fleet.meter.devices=none: `devices` is a text"),
        (
            "fleet.metre.devices=5",
            "--set fleet.metre.devices=5: `fleet` has no `metre`; did you mean `meter`?",
        ),
        ("fleet.7.devices=5", "`fleet` has 2 elements, counted from 0"),
        ("fleet.meter=5", "it names a whole element of `fleet`"),
        ("fleet..x=5", "the key has an empty part"),
        ("name.x=5", "`name` has no keys"),
        (
            "server.adress=h:1",
            "--set server.adress=h:1: unknown key `adress` in `[server]`; did you mean `address`?",
        ),
    ] {
        check(EVERYTHING, &[setting], expected);
    }
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let told = read("[[fleet]]\ndevices = 0\nqos = 1\nkeep_alive_secs = 70000", &[]).unwrap_err().to_string();
    let places: Vec<&str> = told.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["plant.toml:2:11", "plant.toml:3:1", "plant.toml:4:19"]);
}

/// The first messages of the first device of each fleet: what was read can be played, and the ledger knows it again.
fn play_some(scenario: &Scenario) {
    let origin = Origin { device_id: "d", run: "r", clock_ahead_ms: 0 };
    for fleet in &scenario.fleets {
        let identity = Identity { device: "d", fleet: &fleet.name, place: 0, run: "r" };
        for publication in &fleet.publications {
            let moments = Moments::new(publication, &scenario.stages, scenario.seed, 0, fleet.connects_at(0));
            let mut generator = Generator::new(publication, scenario.seed, 0, &identity);
            for (moment, sequence) in moments.take(5).zip(1..) {
                let proof = Proof { run: run_number("r"), device: 0, sequence, due_micros: 5 };
                let mut out = Vec::new();
                generator.next(moment.at, moment.row, &origin, &proof, &mut out);
                // A template proves what it wants to.
                let proves = !matches!(publication.payload.body, Body::Template(_));
                let found = open(&out, "r").map(|found| (found.sequence, found.check));
                assert!(!proves || found == Some((sequence, Check::Intact)), "{found:?}");
            }
        }
    }
}

#[test]
fn everything_can_be_played() {
    play_some(&good(EVERYTHING, &[]));
    for ready in crate::scenario::READY {
        play_some(&good(ready.text, &[]));
    }
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "(\\[\\[?(fleet|server|fault)\\]\\]?|[a-z_]{1,9} = |[0-9.-]{1,4}|\"[a-z{}]*\"|[{}\\[\\], \n])*") {
        let _ = read(&text, &[]);
    }

    #[test]
    fn no_slip_breaks_it(place in 0..EVERYTHING.len(), length in 0..12_usize, put in "[a-z0-9=\\[\\]{}\". -]{0,4}") {
        let mut bytes = EVERYTHING.as_bytes().to_vec();
        let end = (place + length).min(bytes.len());
        bytes.splice(place..end, put.into_bytes());
        if let Ok(text) = String::from_utf8(bytes) && let Ok(scenario) = read(&text, &[]) {
            play_some(&scenario);
        }
    }

    #[test]
    fn no_setting_breaks_it(setting in "[a-z*0-9]{0,8}(\\.[a-z*0-9]{0,8}){0,3}=?[a-z0-9\"\\[\\]{}=]{0,6}") {
        let _ = read(EVERYTHING, &[&setting]);
    }
}
