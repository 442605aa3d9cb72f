//! Payloads by seed, and what the ledger reads from them.

use serde_json::Value;

use super::*;
use crate::scenario::{MessageTemplate, Payload, Point, Route, Table, Template, Trace, TraceRow};
use crate::truth::proof::{Check, open, open_raw, run_number};

const ORIGIN: Origin<'static> = Origin { device_id: "kiln-7", run: "night", clock_ahead_ms: 0 };
const IDENTITY: Identity<'static> = Identity { device: "kiln-7", fleet: "kilns", place: 6, run: "night" };

fn field(name: &str, signal: Signal) -> Field {
    Field { name: name.into(), signal }
}

fn publication(format: Format, body: Body, bytes: Option<usize>) -> Arc<Publication> {
    Arc::new(Publication { payload: Arc::new(Payload { format, bytes, body }), ..Publication::default() })
}

fn proof(sequence: u64) -> Proof {
    Proof { run: run_number(ORIGIN.run), device: 6, sequence, due_micros: 1_763_758_800_123_456 }
}

/// The first payloads, one a second.
fn take(publication: &Arc<Publication>, seed: u64, count: u64) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(publication, seed, 6, &IDENTITY);
    let mut one = |number: u64| {
        let mut out = b"before".to_vec();
        generator.next(Duration::from_secs(number), None, &ORIGIN, &proof(number + 1), &mut out);
        out.split_off(6)
    };
    (0..count).map(&mut one).collect()
}

fn objects(signal: Signal, count: u64) -> Vec<Value> {
    let publication = publication(Format::Json, Body::Values(vec![field("v", signal)]), None);
    take(&publication, 7, count)
        .iter()
        .map(|text| serde_json::from_slice::<Value>(text).unwrap()["v"].clone())
        .collect()
}

fn numbers(signal: Signal, count: u64) -> Vec<f64> {
    objects(signal, count).iter().map(|value| value.as_f64().expect("a number")).collect()
}

/// Some of everything.
fn everything() -> Vec<Field> {
    let route = Route::new(vec![
        Point { latitude: 52.5, longitude: 13.4 },
        Point { latitude: 52.6, longitude: 13.5 },
    ]);
    let table =
        Table { columns: vec!["a".into(), "b".into()], rows: vec![vec![Signal::Integer(1), Signal::Null]] };
    vec![
        field("walk", Signal::Walk { from: 1.0, step: 0.5, min: 0.0, max: 2.0, decimals: 2 }),
        field("chance", Signal::Chance(0.5)),
        field("site", Signal::Text(Template::constant("Köln \"1\""))),
        field("own", Signal::Text(Template::parse("{fleet}/{index:03}").unwrap())),
        field("number", Signal::Number(0.1)),
        field("where", Signal::Gps { route: Arc::new(route.unwrap()), speed_kmh: 50.0, noise_metres: 3.0 }),
        field("row", Signal::Csv { table: Arc::new(table), column: None, spread: true }),
        field(
            "serial",
            Signal::Fake { fake: crate::scenario::Fake::SerialNumber, per: crate::scenario::Period::Device },
        ),
        field(
            "note",
            Signal::Fake { fake: crate::scenario::Fake::Sentence, per: crate::scenario::Period::Message },
        ),
        field(
            "deep",
            Signal::Map(vec![field("list", Signal::List(vec![Signal::Boolean(true), Signal::Chance(0.1)]))]),
        ),
    ]
}

#[test]
fn the_ledger_reads_every_format() {
    for (format, bytes) in
        [(Format::Json, None), (Format::Json, Some(1000)), (Format::Cbor, None), (Format::Cbor, Some(1000))]
    {
        for (number, payload) in
            take(&publication(format, Body::Values(everything()), bytes), 7, 20).iter().enumerate()
        {
            let delivery = open(payload, ORIGIN.run).expect("a delivery");
            assert_eq!((delivery.sequence, delivery.check), (number as u64 + 1, Check::Intact), "{format:?}");
            assert!(
                bytes.is_none_or(|bytes| payload.len() <= bytes && payload.len() + 4 > bytes),
                "{}",
                payload.len()
            );
        }
    }
    for (body, bytes, length) in [
        (Body::Values(vec![]), Some(100), 100),
        (Body::Values(vec![]), None, 40),
        (Body::Bytes([1; 7].into()), None, 47),
    ] {
        let payload = &take(&publication(Format::Raw, body, bytes), 7, 1)[0];
        assert_eq!(payload.len(), length);
        assert!(matches!(open_raw(payload), Some((read, true)) if read == proof(1)));
    }
}

#[test]
fn the_seed_decides_every_byte() {
    for format in [Format::Json, Format::Cbor] {
        let publication = publication(format, Body::Values(everything()), None);
        assert_eq!(take(&publication, 7, 50), take(&publication, 7, 50));
        assert_ne!(take(&publication, 7, 50), take(&publication, 8, 50));
    }
}

#[test]
fn a_json_payload_reads_as_it_was_described() {
    let payload = &take(&publication(Format::Json, Body::Values(everything()), None), 7, 1)[0];
    let value: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(value["walk"], 1.0);
    assert_eq!(value["site"], "Köln \"1\"");
    assert_eq!(value["own"], "kilns/007");
    assert_eq!(value["row"], serde_json::json!({"a": 1, "b": null}));
    assert_eq!(value["deep"]["list"][0], true);
    assert!((52.49..52.61).contains(&value["where"]["lat"].as_f64().unwrap()));
    assert_eq!(value["deviceId"], "kiln-7");
}

#[test]
fn walks_stay_within_bounds_and_steps() {
    let walk = Signal::Walk { from: 20.0, step: 0.5, min: 19.0, max: 21.0, decimals: 3 };
    let values = numbers(walk, 2000);
    assert_eq!(values[0], 20.0);
    assert!(values.iter().all(|value| (19.0..=21.0).contains(value)));
    assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 0.501));
    assert!(values.iter().any(|value| *value < 19.2) && values.iter().any(|value| *value > 20.8));
}

#[test]
fn readings_are_one_in_ten_above_80() {
    let Body::Values(fields) = Payload::default().body else { panic!("a reading has values") };
    let values = numbers(fields[0].signal.clone(), 20_000);
    let hot = values.iter().filter(|value| **value > 80.0).count();
    assert!((1600..2400).contains(&hot), "{hot} of 20000");
    let normal = values.iter().filter(|value| (60.0..90.0).contains(*value)).count();
    assert!(normal > 19_000, "{normal} of 20000");
}

#[test]
fn a_sine_turns_in_its_period() {
    let sine = |phase, noise| Signal::Sine {
        mean: 10.0,
        amplitude: 4.0,
        period: Duration::from_secs(40),
        phase: Some(phase),
        noise,
        decimals: 3,
    };
    let values = numbers(sine(0.25, 0.0), 41);
    for (second, expected) in [(0, 14.0), (10, 10.0), (20, 6.0), (30, 10.0), (40, 14.0)] {
        assert!((values[second] - expected).abs() < 0.001, "{values:?}");
    }
    let noisy = numbers(sine(0.25, 1.0), 2000);
    let quiet = numbers(sine(0.25, 0.0), 2000);
    let variance = noisy.iter().zip(&quiet).map(|(one, other)| (one - other).powi(2)).sum::<f64>() / 2000.0;
    assert!((variance - 1.0).abs() < 0.15, "{variance}");
}

#[test]
fn counters_grow_and_chances_are_kept() {
    assert_eq!(
        numbers(Signal::Counter { from: 5.0, step: [2.0, 2.0], decimals: 0 }, 4),
        [5.0, 7.0, 9.0, 11.0]
    );
    let values = numbers(Signal::Counter { from: 0.0, step: [0.5, 1.5], decimals: 3 }, 1001);
    assert!(values.windows(2).all(|pair| (0.498..=1.502).contains(&(pair[1] - pair[0]))));
    let hits = objects(Signal::Chance(0.2), 5000).iter().filter(|value| **value == true).count();
    assert!((900..1100).contains(&hits), "{hits}");
    assert!(
        numbers(Signal::Uniform { min: -1.0, max: 1.0, decimals: 2 }, 500)
            .iter()
            .all(|value| value.abs() <= 1.0)
    );
}

#[test]
fn states_stay_for_a_while_and_change() {
    let states = |in_order, dwell_secs| Signal::States {
        states: vec!["idle".into(), "run".into(), "stop".into()],
        dwell_secs,
        in_order,
    };
    let seen = objects(states(true, [5.0, 5.0]), 100);
    let mut lengths = Vec::new();
    for run in seen.chunk_by(|one, other| one == other) {
        lengths.push(run.len());
    }
    assert!(lengths[1..lengths.len() - 1].iter().all(|length| *length == 5), "{lengths:?}");
    let order: Vec<&str> =
        seen.chunk_by(|one, other| one == other).map(|run| run[0].as_str().unwrap()).collect();
    let after = |state: &str| {
        ["run", "stop", "idle"][["idle", "run", "stop"].iter().position(|one| *one == state).unwrap()]
    };
    assert!(order.windows(2).all(|pair| pair[1] == after(pair[0])), "{order:?}");
    // Shorter than the time between two messages.
    let quick = objects(states(false, [0.001, 0.001]), 300);
    assert!(["idle", "run", "stop"].iter().all(|state| quick.iter().any(|seen| seen == state)));
}

#[test]
fn rows_are_replayed_from_the_beginning_again() {
    let rows = [1, 2, 3].map(|number| vec![Signal::Integer(number), Signal::Boolean(number == 2)]);
    let table = Arc::new(Table { columns: vec!["n".into(), "b".into()], rows: rows.into() });
    let column = Signal::Csv { table: Arc::clone(&table), column: Some(0), spread: false };
    assert_eq!(numbers(column, 5), [1.0, 2.0, 3.0, 1.0, 2.0]);
    let whole = objects(Signal::Csv { table, column: None, spread: false }, 2);
    assert_eq!(whole[1], serde_json::json!({"n": 2, "b": true}));
}

#[test]
fn templates_carry_the_proof_as_they_wish() {
    let template = |text: &str| {
        let fields = vec![field("temperature", Signal::Counter { from: 1.5, step: [1.0, 1.0], decimals: 1 })];
        Body::Template(MessageTemplate::parse(text, fields).unwrap())
    };
    let body = template(
        r#"{"deviceId":"{device}","sequence":{sequence},"sentAtMs":{sent_at_ms},"dueMicros":{due_micros},"run":"{run}",
           "checksum":"{checksum}","t":{temperature},"line":"{line}","padding":"{padding}"}"#,
    );
    for (number, payload) in take(&publication(Format::Json, body, Some(400)), 7, 3).iter().enumerate() {
        let value: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(payload.len(), 400);
        assert_eq!((&value["t"], &value["line"]), (&(1.5 + number as f64).into(), &"line-3".into()));
        assert_eq!(open(payload, ORIGIN.run).unwrap().check, Check::Intact);
    }
    let small = template(r#"{"deviceId":"{device}","sequence":{sequence}}"#);
    let payload = &take(&publication(Format::Json, small, None), 7, 1)[0];
    assert_eq!(payload, br#"{"deviceId":"kiln-7","sequence":1}"#);
    assert!(MessageTemplate::parse("{sequnce}", vec![]).is_err());
}

#[test]
fn a_trace_says_what_its_rows_say() {
    let row = |ms, body: Option<Body>| TraceRow {
        offset: Duration::from_millis(ms),
        topic: None,
        body: body.map(Arc::new),
    };
    let said = Body::Values(vec![field("door", Signal::Text(Template::constant("open")))]);
    let trace = Arc::new(Trace::new(vec![row(0, None), row(5, Some(said))]));
    let own = Body::Values(vec![field("door", Signal::Text(Template::parse("{device}").unwrap()))]);
    let publication = Publication {
        timing: Timing::Trace(trace),
        ..Publication::clone(&publication(Format::Json, own, None))
    };
    let mut generator = Generator::new(&Arc::new(publication), 7, 6, &IDENTITY);
    let mut doors = Vec::new();
    for number in 0..2 {
        let mut out = Vec::new();
        generator.next(Duration::ZERO, Some(number), &ORIGIN, &proof(1), &mut out);
        assert_eq!(open(&out, ORIGIN.run).unwrap().check, Check::Intact);
        doors.push(serde_json::from_slice::<Value>(&out).unwrap()["door"].clone());
    }
    assert_eq!(doors, ["kiln-7", "open"]);
}
