//! Rules that ask: the registry, and a function in Python. A function that is slow, dies or is gone costs its own client at most its time, and nobody a
//! message that was acknowledged.

use anyhow::Context;
use end_to_end::{Client, Connect, Fleet, Gateway, Gone, Site, Web, Will, kind, python, run_command, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const V3: u8 = 4;
const V5: u8 = 5;

/// A site with a queue `readings` and the function `grade`; the rule is the test's.
fn site(more: &str) -> anyhow::Result<Site> {
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    Site::new(&format!(
        "[[queue]]\nname = \"readings\"\n\n[[function]]\nname = \"grade\"\n\
         command = [{:?}, \"-m\", \"awslambdaric\", \"asked.handle\"]\nhandler = \"asked.handle\"\n\
         directory = {functions:?}\nconcurrency = 1\nmemory_mib = 512\n\n{more}",
        python(),
    ))
}

const GRADED: &str = "SELECT *, aws_lambda('grade', *).grade AS grade FROM 'plant/+/telemetry'";

fn graded() -> anyhow::Result<(Site, Gateway)> {
    let site = site("")?;
    site.write_rule("graded", GRADED, "queue = \"readings\"")?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

fn client(site: &Site, name: &str) -> anyhow::Result<Client> {
    Client::connect_plain(site.plain_address, &Connect::clean(V5, name))
}

/// Publishes until the function grades: a start takes its time, and a function that failed rests.
fn publish_until_graded(client: &mut Client, gateway: &Gateway) -> anyhow::Result<()> {
    wait::for_true("the function to grade", Duration::from_secs(60), || {
        let published = client.publish("plant/kiln/telemetry", "{\"temperature\":81}").is_ok();
        let events = gateway.consumer.take_until("readings", 1).unwrap_or_default();
        published && events.iter().any(|event| event.data["grade"] == "hot")
    })
}

fn failed_calls(gateway: &Gateway) -> anyhow::Result<f64> {
    Ok(gateway.consumer.metrics()?.sum("iot_gateway_rule_calls_failed_total", "rule=\"graded\""))
}

#[test]
fn a_rule_asks_the_registry_and_a_function_once_for_equal_questions() -> anyhow::Result<()> {
    let site = site("")?;
    site.write_rule(
        "graded",
        "SET @thing = get_registry_data('DescribeThing', clientid(), 'arn:aws:iam::000000000000:role/rules')\n\
         SELECT sequence, @thing.attributes.hall AS hall, @thing.thingTypeName AS type, @thing.version AS version,\n\
         aws_lambda('arn:aws:lambda:us-east-1:000000000000:function:grade', *) AS answer\n\
         FROM 'plant/+/telemetry' WHERE aws_lambda('grade', *).grade = 'hot'",
        "queue = \"readings\"",
    )?;
    site.write_rule(
        "grouped",
        "SELECT sequence, get_registry_data('ListThingGroupsForThing', 'kiln-1').thingGroups AS groups,\n\
         aws_lambda('grade', *).call AS call FROM 'plant/+/telemetry'",
        "queue = \"readings\"",
    )?;
    let mut gateway = Gateway::start(&site)?;
    let settings = site.settings_file().display().to_string();
    let create = ["things", "--config", &settings, "create", "kiln-1", "--type", "kiln", "--attribute"];
    run_command(&[&create[..], &["hall=east"]].concat())?;
    let mut kiln = client(&site, "kiln-1")?;
    publish_until_answered(&mut kiln, &gateway)?;
    let mut answers = Vec::new();
    for (sequence, temperature) in [(1, 90), (2, 20), (3, 95)] {
        let reading = json!({ "sequence": sequence, "temperature": temperature });
        assert_eq!(kiln.publish("plant/kiln-1/telemetry", reading.to_string())?, 0);
        let expected = if temperature > 80 { 2 } else { 1 };
        let mut events = gateway.consumer.take_until("readings", expected)?;
        events.sort_by_key(|event| event.data["answer"].is_null());
        answers.push(events);
    }
    let [hot, mild, _] = answers.as_slice() else { anyhow::bail!("three messages") };
    let call = hot[0].data["answer"]["call"].as_u64().context("the number of the call")?;
    assert_eq!(
        hot[0].data,
        json!({ "sequence": 1, "hall": "east", "type": "kiln", "version": 1,
            "answer": { "grade": "hot", "call": call, "sequence": 1 } })
    );
    assert_eq!(hot[1].data, json!({ "sequence": 1, "groups": [], "call": call }));
    assert_eq!(mild.len(), 1, "not hot: {mild:?}");
    assert_eq!(mild[0].data["call"], call + 1, "one call for each message, whichever rules ask");
    gateway.stop()
}

/// The same as [`publish_until_graded`] for rules that say more.
fn publish_until_answered(client: &mut Client, gateway: &Gateway) -> anyhow::Result<()> {
    wait::for_true("the function to answer", Duration::from_secs(60), || {
        let published = client.publish("plant/warm-up/telemetry", "{\"temperature\":1}").is_ok();
        let events = gateway.consumer.take_until("readings", 1).unwrap_or_default();
        published && events.iter().any(|event| event.data["call"].is_u64())
    })
}

#[test]
fn a_function_that_is_slow_holds_up_its_own_client_alone() -> anyhow::Result<()> {
    let (site, mut gateway) = graded()?;
    let mut slow = client(&site, "slow")?;
    publish_until_graded(&mut slow, &gateway)?;
    let failed = failed_calls(&gateway)?;
    let begun = Instant::now();
    let id = slow.send_publish("plant/slow/telemetry", "{\"do\":\"sleep\",\"secs\":30}", 1)?;
    let behind = slow.send_publish("plant/slow/telemetry", "{\"temperature\":90}", 1)?;
    wait::for_true("the message to wait", wait::SOON, || {
        gateway
            .consumer
            .metrics()
            .is_ok_and(|metrics| metrics.sum("iot_gateway_messages_waiting_for_functions", "") == 1.0)
    })?;
    // Others are served meanwhile, many times over.
    let mut other = client(&site, "other")?;
    for _ in 0..20 {
        assert_eq!(other.publish("hall/other", "x")?, 0);
    }
    assert!(begun.elapsed() < Duration::from_millis(1_900), "others waited {:?}", begun.elapsed());
    slow.expect_answer(kind::PUBACK, id)?;
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(1_950), "the function had {waited:?}");
    slow.expect_answer(kind::PUBACK, behind)?;
    let events = gateway.consumer.take_until("readings", 2)?;
    assert_eq!(
        events[0].data,
        json!({ "do": "sleep", "secs": 30 }),
        "no grade, and acknowledged all the same"
    );
    assert_eq!(events[1].data["temperature"], 90);
    assert!(failed_calls(&gateway)? > failed);
    let line = gateway.log.wait_for("a call of a rule failed, its value is Undefined", |_| true)?;
    assert!(line.field("reason").contains("did not answer within 2000 ms"), "{line:?}");
    assert_eq!(line.field("rule"), "graded");
    publish_until_graded(&mut slow, &gateway)?;
    gateway.stop()
}

#[test]
fn a_function_that_fails_leaves_its_value_undefined_and_is_counted() -> anyhow::Result<()> {
    let (site, mut gateway) = graded()?;
    let mut kiln = client(&site, "kiln")?;
    for wish in ["{\"do\":\"end\"}", "{\"do\":\"fail\"}", "{\"do\":\"much\",\"bytes\":300000}"] {
        publish_until_graded(&mut kiln, &gateway)?;
        let failed = failed_calls(&gateway)?;
        assert_eq!(kiln.publish("plant/kiln/telemetry", wish)?, 0);
        let events = gateway.consumer.take_until("readings", 1)?;
        assert_eq!(events[0].data, serde_json::from_str::<Value>(wish)?);
        assert_eq!(failed_calls(&gateway)?, failed + 1.0, "{wish}");
    }
    publish_until_graded(&mut kiln, &gateway)?;
    gateway.stop()
}

#[test]
fn a_thousand_messages_go_through_a_function_in_their_order() -> anyhow::Result<()> {
    const MESSAGES: u16 = 1_000;
    const IN_FLIGHT: u16 = 16;
    let site = site("[[stream]]\nname = \"telemetry\"\nshards = 1\n")?;
    let action = "stream = { name = \"telemetry\", partition_key = \"${clientid()}\" }";
    site.write_rule(
        "graded",
        "SELECT aws_lambda('grade', *).sequence AS sequence FROM 'plant/+/telemetry'",
        action,
    )?;
    let mut gateway = Gateway::start(&site)?;
    let mut kiln = client(&site, "kiln")?;
    let mut acknowledged = Vec::new();
    for sequence in 1..=MESSAGES {
        let id = kiln.send_publish("plant/kiln/telemetry", json!({ "sequence": sequence }).to_string(), 1)?;
        assert_eq!(id, sequence);
        if sequence >= IN_FLIGHT {
            acknowledged.push(kiln.expect(kind::PUBACK)?.body[..2].to_vec());
        }
    }
    while acknowledged.len() < usize::from(MESSAGES) {
        acknowledged.push(kiln.expect(kind::PUBACK)?.body[..2].to_vec());
    }
    let in_order: Vec<Vec<u8>> = (1..=MESSAGES).map(|id| id.to_be_bytes().to_vec()).collect();
    assert!(acknowledged == in_order, "acknowledgements out of order");
    let events = gateway.consumer.read_stream("telemetry")?;
    let sequences: Vec<u64> = events.iter().filter_map(|event| event.data["sequence"].as_u64()).collect();
    let missing = usize::from(MESSAGES) - sequences.len();
    assert_eq!(events.len(), usize::from(MESSAGES));
    assert!(sequences.is_sorted(), "events out of order");
    // The first messages may find the program still starting.
    assert!(missing <= 3, "{missing} of {MESSAGES} calls failed");
    assert_eq!(missing as f64, failed_calls(&gateway)?);
    gateway.stop()
}

#[test]
fn requests_wills_and_the_gateways_own_messages_ask_too() -> anyhow::Result<()> {
    let (site, mut gateway) = graded()?;
    let connected = "SELECT clientId, aws_lambda('grade', {'temperature': 99, 'sequence': versionNumber}).grade AS grade \
        FROM '$aws/events/presence/connected/+' WHERE clientId = 'late'";
    site.write_rule("presence", connected, "queue = \"readings\"")?;
    gateway.hang_up()?;
    let mut kiln = client(&site, "kiln")?;
    publish_until_graded(&mut kiln, &gateway)?;
    gateway.log.wait_for("rules in force", |line| line.field("added").contains("presence"))?;

    let mut web = Web::plain(site.plain_websocket_address)?;
    let response = web.request(
        "POST /topics/plant%2Frequest%2Ftelemetry?qos=1",
        "Host: localhost\r\n",
        b"{\"from\":\"request\",\"temperature\":90}",
    )?;
    assert_eq!(response.status, 200);
    let events = gateway.consumer.take_until("readings", 1)?;
    assert_eq!(events[0].data, json!({ "from": "request", "temperature": 90, "grade": "hot" }));

    let will = Will { topic: "plant/will/telemetry".to_string(), payload: b"{\"from\":\"will\"}".to_vec() };
    drop(Client::connect_plain(
        site.plain_address,
        &Connect { will: Some(will), ..Connect::clean(V5, "gone") },
    )?);
    let events = gateway.consumer.take_until("readings", 1)?;
    assert_eq!(events[0].data, json!({ "from": "will", "grade": "mild" }));

    let _late = client(&site, "late")?;
    let events = gateway.consumer.take_until("readings", 1)?;
    assert_eq!(events[0].data, json!({ "clientId": "late", "grade": "hot" }));
    gateway.stop()
}

#[test]
fn a_shutdown_and_a_lost_connection_do_not_wait_for_a_function() -> anyhow::Result<()> {
    let (site, mut gateway) = graded()?;
    let mut kiln = client(&site, "kiln")?;
    publish_until_graded(&mut kiln, &gateway)?;
    let waiting = |gateway: &Gateway| {
        gateway
            .consumer
            .metrics()
            .map(|metrics| metrics.sum("iot_gateway_messages_waiting_for_functions", ""))
    };
    let mut lost = client(&site, "lost")?;
    let slow = "{\"do\":\"sleep\",\"secs\":1.5}";
    lost.send_publish("plant/lost/telemetry", slow, 1)?;
    wait::for_true("the message to wait", wait::SOON, || waiting(&gateway).is_ok_and(|count| count == 1.0))?;
    drop(lost);
    wait::for_true("its place to be free", Duration::from_millis(1_200), || {
        waiting(&gateway).is_ok_and(|count| count == 0.0)
    })?;
    let id = kiln.send_publish("plant/kiln/telemetry", slow, 1)?;
    wait::for_true("the message to wait", wait::SOON, || waiting(&gateway).is_ok_and(|count| count == 1.0))?;
    gateway.terminate()?;
    assert!(gateway.wait_for_the_end(Duration::from_secs(20))?.success());
    assert!(
        !matches!(kiln.expect_answer(kind::PUBACK, id), Ok(answer) if answer.reason() < 0x80),
        "not accepted"
    );
    gateway.start_again()?;
    assert_eq!(
        gateway.consumer.take_all("readings")?.len(),
        0,
        "what was not acknowledged is not there either"
    );
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()
}

/// As many clients as keep a slow function busy publish until the gateway is killed. Gives what was acknowledged.
fn publish_until_killed(
    site: &Site,
    round: u64,
) -> anyhow::Result<Vec<std::thread::JoinHandle<BTreeSet<u64>>>> {
    let publishers = (0..6_u64).map(|number| {
        let mut client =
            Client::connect_plain(site.plain_address, &Connect::clean(V3, format!("kiln-{number}")))?;
        Ok(std::thread::spawn(move || {
            let mut acknowledged = BTreeSet::new();
            for message in 0..10_000 {
                let sequence = round * 1_000_000 + number * 10_000 + message;
                let reading = json!({ "sequence": sequence, "do": "sleep", "secs": 0.02 }).to_string();
                match client.publish("plant/kiln/telemetry", reading) {
                    Ok(_) => acknowledged.insert(sequence),
                    Err(Gone::Closed(_) | Gone::Silent) => break,
                };
            }
            acknowledged
        }))
    });
    publishers.collect()
}

#[test]
fn killed_while_messages_wait_for_a_function_nothing_acknowledged_is_lost() -> anyhow::Result<()> {
    let (site, mut gateway) = graded()?;
    let (mut acknowledged, mut arrived, mut waited) = (BTreeSet::<u64>::new(), BTreeSet::new(), 0);
    for round in 1..=4 {
        publish_until_graded(&mut client(&site, "warm-up")?, &gateway)?;
        let publishers = publish_until_killed(&site, round)?;
        wait::let_pass(Duration::from_millis(300 + 170 * round));
        let metrics = gateway.consumer.metrics()?;
        waited += u32::from(metrics.sum("iot_gateway_messages_waiting_for_functions", "") > 0.0);
        gateway.kill()?;
        for publisher in publishers {
            acknowledged.extend(publisher.join().expect("a publisher does not panic"));
        }
        gateway.start_again()?;
        let events = gateway.consumer.take_all("readings")?;
        arrived.extend(events.iter().filter_map(|event| event.data["sequence"].as_u64()));
    }
    assert!(waited > 0, "no kill struck while messages waited");
    assert!(acknowledged.len() > 40, "too little load to prove anything: {}", acknowledged.len());
    let missing: Vec<_> = acknowledged.difference(&arrived).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()
}

/// The fleet sends again what was not acknowledged, and checks everything that arrives.
#[test]
fn a_fleet_behind_a_function_loses_nothing_over_kills() -> anyhow::Result<()> {
    let site = site("")?;
    site.write_rule(
        "graded",
        "SELECT *, aws_lambda('grade', {'sequence': sequence}).sequence AS echo FROM 'plant/+/telemetry'",
        "queue = \"readings\"",
    )?;
    site.register_many(6)?;
    let mut gateway = Gateway::start(&site)?;
    let url = gateway.consumer.queue_url("readings");
    let mut fleet = Fleet::start(
        &site,
        &[
            "--devices",
            "6",
            "--interval-ms",
            "30",
            "--qos",
            "1",
            "--drain-secs",
            "60",
            "--read-queue",
            &url,
            "--read-secs",
            "120",
            "--waiting-messages-max",
            "100000",
        ],
    )?;
    for _ in 0..3 {
        let consumer = gateway.consumer.clone();
        wait::for_true("devices to publish", Duration::from_secs(30), || {
            consumer
                .metrics()
                .is_ok_and(|metrics| metrics.sum("iot_gateway_journal_records_total", "") > 50.0)
        })?;
        gateway.kill_and_start_again()?;
        assert!(fleet.is_running(), "the fleet ended early");
    }
    let summary = fleet.stop(Duration::from_secs(200))?;
    assert!(summary.number("acknowledged")? > 100, "too little load to prove anything");
    assert_eq!(summary.number("lost")?, 0, "acknowledged and lost: {}", summary.report);
    assert_eq!(summary.number("repeated_with_other_event_id")?, 0, "repeats that a consumer can't drop");
    assert_eq!(summary.number("corrupted")?, 0);
    assert_eq!(gateway.log.panics(), Vec::<String>::new());
    gateway.stop()
}

#[test]
fn what_is_not_served_is_refused_with_its_place_when_a_rule_is_created() -> anyhow::Result<()> {
    let site = site("")?;
    site.write_rule("fine", GRADED, "queue = \"readings\"")?;
    site.write_rule("shadow", "SELECT get_thing_shadow('kiln') AS s\nFROM 'a'", "queue = \"readings\"")?;
    site.write_rule("typo", "SELECT *,\n  aws_lambda('grad', *) AS g FROM 'a'", "queue = \"readings\"")?;
    let settings = site.settings_file().display().to_string();
    let said = run_command(&["check", "--config", &settings]).expect_err("two rules are wrong").to_string();
    for expected in [
        "rules/shadow/rule.toml:3:8: `get_thing_shadow` is not available: this gateway has no device shadows; let the device",
        "rules/typo/rule.toml:4:14: unknown function `grad`; did you mean `grade`?",
        "2 problems",
    ] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    // Broken ones keep out nobody else.
    let mut gateway = Gateway::start(&site)?;
    publish_until_graded(&mut client(&site, "kiln")?, &gateway)?;
    gateway.stop()
}
