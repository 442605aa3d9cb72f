//! Rules tested, tried and followed, as their authors do it: on the command line, over HTTP, and on a running gateway.

use end_to_end::{Client, Connect, Gateway, Site, binary, wait, workspace};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const V5: u8 = 5;
const BOUND: Duration = Duration::from_secs(30);

fn command(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(binary()).args(arguments).stdin(Stdio::null()).output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `rules` with these arguments. Gives its status and what it printed.
fn rules(arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let output = command(&[&["rules"], arguments].concat())?;
    let printed = text(&output.stdout);
    Ok((output.status.code().unwrap_or(-1), if printed.is_empty() { text(&output.stderr) } else { printed }))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

#[test]
fn cases_are_counted_and_failures_are_told_with_their_place() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("vectors.jsonl");
    let good = r#"{"id":"good","sql":"SELECT x FROM 'a'","topic":"a","payload":{"x":1.0},"expect":{"match":true,"output":{"x":1}}}"#;
    let bad = r#"{"id":"bad","sql":"SELECT x,\n  y FROM 'a'","topic":"a","payload":{"x":1},"expect":{"output":{"x":2}},"unknown":1}"#;
    std::fs::write(&file, format!("{good}\n{good}\n"))?;
    assert_eq!(rules(&["test", path(&file)])?, (0, "2 passed, 0 failed\n".to_string()));

    std::fs::write(&file, format!("{good}\n\nnot json\n{bad}\n"))?;
    let (status, printed) = rules(&["test", path(&file)])?;
    assert_eq!(status, 1);
    let file_name = path(&file);
    assert_eq!(
        printed,
        format!(
            "{file_name}:3\n  not a case: expected ident at line 1 column 2\n\
             {file_name}:4: bad\n  sql      SELECT x,\n             y FROM 'a'\n  topic    a\n  expected {{\"x\":2}}\n  \
             got      {{\"x\":1}}\n  at       $.x  expected 2, got 1\n1 passed, 2 failed\n"
        )
    );
    assert_eq!(rules(&["test", file_name, "--filter", "goo"])?, (0, "1 passed, 0 failed\n".to_string()));

    let (status, printed) = rules(&["test", file_name, "--json"])?;
    let told: Value = serde_json::from_str(&printed)?;
    assert_eq!((status, &told["passed"], &told["failed"]), (1, &json!(1), &json!(2)));
    assert_eq!(told["failures"][1]["differing"], json!([{ "path": "$.x", "expected": "2", "got": "1" }]));
    assert_eq!((&told["failures"][1]["line"], &told["failures"][1]["id"]), (&json!(4), &json!("bad")));
    assert!(told["remarks"][0].as_str().is_some_and(|remark| remark.contains("`unknown`")), "{told}");

    let missing = folder.path().join("missing");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty)?;
    let (status, printed) = rules(&["test", path(&missing), path(&empty), file_name, "--filter", "good"])?;
    assert_eq!(status, 1);
    assert!(printed.contains("missing\n  can't be read: No such file"), "{printed}");
    assert!(printed.contains("empty\n  no rule.toml and no .jsonl file"), "{printed}");
    assert!(printed.ends_with("1 passed, 2 failed\n"), "{printed}");
    Ok(())
}

#[test]
fn cases_come_from_standard_input_and_from_beside_definitions() -> anyhow::Result<()> {
    let mut child = Command::new(binary())
        .args(["rules", "test", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let case = r#"{"sql":"SELECT * FROM 'a'","topic":"a","expect":{"match":true}}"#;
    child.stdin.take().expect("it is piped").write_all(case.as_bytes())?;
    let output = child.wait_with_output()?;
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "1 passed, 0 failed\n".to_string()));

    let folder = workspace().join("rules");
    let (status, printed) =
        rules(&["test", path(&folder.join("definitions")), path(&folder.join("examples"))])?;
    assert!(status == 0 && printed.ends_with(" passed, 0 failed\n"), "{printed}");

    let broken = tempfile::tempdir()?;
    std::fs::write(broken.path().join("rule.toml"), "sql = \"SELECT * FORM 'a'\"\n")?;
    std::fs::write(broken.path().join("cases.jsonl"), case)?;
    let (status, printed) = rules(&["test", path(broken.path())])?;
    assert!(status == 1 && printed.contains("did you mean `FROM`?"), "{printed}");
    assert!(printed.ends_with("0 passed, 1 failed\n"), "{printed}");
    Ok(())
}

#[test]
fn a_message_is_explained_part_by_part() -> anyhow::Result<()> {
    let folder = workspace().join("rules/definitions/overheating");
    let eval = |payload: &str| {
        let rule = ["eval", "--rule", path(&folder), "--topic", "plant/kiln-7/telemetry"];
        rules(&[&rule[..], &["--payload", payload]].concat())
    };
    assert_eq!(
        eval(r#"{"temperature": 75}"#)?,
        (
            3,
            "FROM     'plant/+/telemetry' matches 'plant/kiln-7/telemetry'\n\
             WHERE    temperature > 80 is false\n\
             \x20          temperature is 75\n\
             no match: temperature is 75; the rule wants > 80\n"
                .to_string()
        )
    );
    assert_eq!(
        eval(r#"{"deviceId": "kiln-7", "sequence": 3, "sentAtMs": 5, "temperature": "81.5"}"#)?,
        (
            0,
            "FROM     'plant/+/telemetry' matches 'plant/kiln-7/telemetry'\n\
             WHERE    temperature > 80 is true\n\
             \x20          temperature is \"81.5\"\n\
             SELECT   deviceId is \"kiln-7\"\n\
             \x20        sequence is 3\n\
             \x20        sentAtMs is 5\n\
             \x20        temperature is \"81.5\"\n\
             \x20        source: topic(2) is \"kiln-7\"\n\
             \x20        degreesAbove: round(temperature - 80) is 2\n\
             \x20          temperature - 80 is 1.5\n\
             \x20            temperature is \"81.5\"\n\
             output   {\"deviceId\":\"kiln-7\",\"sequence\":3,\"sentAtMs\":5,\"temperature\":\"81.5\",\"source\":\"kiln-7\",\"degreesAbove\":2}\n\
             action   queue alerts, format \"cloudevents\"\n\
             match\n"
                .to_string()
        )
    );
    let (status, printed) = rules(&[
        "eval",
        "--sql",
        "SELECT VALUE [clientid(), principal(), get_user_properties('k'), timestamp(), encode(*, 'base64')] FROM 'a'",
        "--topic",
        "a",
        "--payload",
        "/wA=",
        "--base64",
        "--client-id",
        "c",
        "--principal",
        "p",
        "--user-property",
        "k=v=w",
        "--now",
        "7",
        "--json",
    ])?;
    let told: Value = serde_json::from_str(&printed)?;
    assert_eq!((status, &told["output"]), (0, &json!(["c", "p", ["v=w"], 7, "/wA="])));
    let (status, printed) = rules(&["eval", "--sql", "SELECT * FORM 'a'", "--topic", "a"])?;
    assert!(status == 1 && printed.contains("--sql:1:10"), "{printed}");
    Ok(())
}

/// A gateway with a rule on `plant/+/telemetry` that wants a temperature above 80.
fn hot() -> anyhow::Result<(Site, Gateway)> {
    let site = Site::with_queue("[[queue]]\nname = \"alerts\"\n")?;
    let sql = "SELECT temperature FROM 'plant/+/telemetry' WHERE temperature > 80";
    site.write_rule("hot", sql, "queue = \"alerts\"\nformat = \"cloudevents\"")?;
    let gateway = Gateway::start(&site)?;
    Ok((site, gateway))
}

fn trace(site: &Site, arguments: &[&str]) -> anyhow::Result<Child> {
    let settings = site.settings_file();
    let all = [&["rules", "trace", "--config", path(&settings)], arguments].concat();
    Ok(Command::new(binary()).args(all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// Publishes until the trace has ended, which it does after the messages that it was asked for.
fn publish_until_the_end(
    mut child: Child,
    client: &mut Client,
    topic: &str,
    payload: &str,
) -> anyhow::Result<String> {
    wait::for_true("the end of the trace", BOUND, || {
        let _ = client.publish(topic, payload);
        matches!(child.try_wait(), Ok(Some(_)))
    })?;
    let output = child.wait_with_output()?;
    anyhow::ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok(text(&output.stdout))
}

#[test]
fn live_messages_are_followed_through_a_rule() -> anyhow::Result<()> {
    let (site, gateway) = hot()?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;

    let child = trace(&site, &["hot", "--count", "1"])?;
    let printed =
        publish_until_the_end(child, &mut client, "plant/kiln-1/telemetry", r#"{"temperature":75}"#)?;
    assert!(
        printed.contains(" plant/kiln-1/telemetry from `kiln-1`\npayload  {\"temperature\":75}\n"),
        "{printed}"
    );
    assert!(printed.contains("no match: temperature is 75; the rule wants > 80\n"), "{printed}");
    assert!(printed.contains("ended: all that were asked for; 1 shown of "), "{printed}");

    let child = trace(&site, &["hot", "--count", "2", "--client", "kiln-1", "--json"])?;
    let printed =
        publish_until_the_end(child, &mut client, "plant/kiln-1/telemetry", r#"{"temperature":81.50}"#)?;
    let lines: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 3, "{printed}");
    let (first, end) = (&lines[0], &lines[2]);
    assert_eq!((&first["topic"], &first["clientId"]), (&json!("plant/kiln-1/telemetry"), &json!("kiln-1")));
    assert_eq!(first["payload"], r#"{"temperature":81.50}"#);
    assert_eq!(first["explanation"]["output"], json!({ "temperature": 81.5 }));
    assert_eq!(first["explanation"]["actions"][0]["settings"]["queue"], "alerts");
    assert_eq!((&end["shown"], &end["ended"]), (&json!(2), &json!("all that were asked for")));
    // The id is the one that the consumer of the event is told.
    let id = first["eventId"].as_str().unwrap_or_default().to_string();
    let events = gateway.consumer.take_all("alerts")?;
    assert!(events.iter().any(|event| event.id == id), "{id} is not among {events:?}");

    let child = trace(&site, &["hot", "--count", "1", "--topic", "hall/#"])?;
    let printed = publish_until_the_end(child, &mut client, "hall/1", "{}")?;
    assert!(printed.contains("level 1 of the topic is `hall`; the rule wants `plant`"), "{printed}");
    Ok(())
}

#[test]
fn a_trace_ends_by_itself_and_there_are_not_too_many() -> anyhow::Result<()> {
    let (site, gateway) = hot()?;
    let are_running = |count: f64| {
        wait::for_true(&format!("{count} traces"), BOUND, || {
            gateway
                .consumer
                .metrics()
                .is_ok_and(|metrics| metrics.sum("iot_gateway_rule_traces", "") == count)
        })
    };
    let mut children =
        (0..8).map(|_| trace(&site, &["hot", "--secs", "600"])).collect::<anyhow::Result<Vec<_>>>()?;
    are_running(8.0)?;
    let refused = trace(&site, &["hot"])?.wait_with_output()?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("8 traces are running, which is the most"), "{refused:?}");
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    // The gateway notices that nobody reads any more.
    are_running(0.0)?;
    let settings = site.settings_file();
    let (_, ended) = rules(&["trace", "hot", "--secs", "1", "--config", path(&settings)])?;
    assert_eq!(ended, "ended: the time is up; 0 shown of 0 messages\n");
    let (status, printed) = rules(&["trace", "hat", "--config", path(&settings)])?;
    assert!(status == 1 && printed.contains("no rule `hat`; there are `hot`"), "{printed}");
    Ok(())
}

#[test]
fn rules_are_listed_with_what_came_of_them() -> anyhow::Result<()> {
    let (site, gateway) = hot()?;
    site.write_rule("broken", "SELECT * FORM 'a'", "queue = \"alerts\"")?;
    gateway.log.wait_for_any("the refusal", |line| line.contains("did you mean `FROM`?"))?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "kiln-1"))?;
    assert_eq!(client.publish("plant/kiln-1/telemetry", r#"{"temperature":81}"#)?, 0);
    let settings = site.settings_file();
    let (_, printed) = rules(&["list", "--json", "--config", path(&settings)])?;
    let list: Vec<Value> = serde_json::from_str(&printed)?;
    let of = |name: &str| list.iter().find(|rule| rule["rule"] == name).cloned().unwrap_or_default();
    let (hot, broken) = (of("hot"), of("broken"));
    assert_eq!((&hot["state"], &hot["matches"]), (&json!("in force"), &json!(1)));
    assert!(hot["lastMatchMs"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000), "{hot}");
    assert_eq!(hot["actions"], json!([{ "queue": "alerts" }]));
    assert_eq!(broken["state"], "refused");
    assert!(
        broken["faults"][0].as_str().is_some_and(|fault| fault.contains("did you mean `FROM`?")),
        "{broken}"
    );
    let (_, printed) = rules(&["list", "--config", path(&settings)])?;
    assert!(printed.lines().any(|line| line.starts_with("broken") && line.contains("refused")), "{printed}");
    let (_, printed) = rules(&["list", "hot", "--config", path(&settings)])?;
    assert!(printed.contains("state      in force\n") && printed.contains("[[action]]"), "{printed}");
    Ok(())
}

/// Runs `curl` with these arguments. Gives the status of the answer and its body.
fn curl(arguments: &[&str]) -> anyhow::Result<(u16, String)> {
    let output = Command::new("curl").args(["-sS", "-w", "\n%{http_code}"]).args(arguments).output()?;
    anyhow::ensure!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let (body, status) = printed.rsplit_once('\n').unwrap_or_default();
    Ok((status.parse()?, body.to_string()))
}

/// The examples of `rules/TESTING.md`.
#[test]
fn rules_are_tried_over_http() -> anyhow::Result<()> {
    let (site, _gateway) = hot()?;
    let here = format!("http://{}", site.api_address);
    let post = |path: &str, body: &str, more: &[&str]| {
        let url = format!("{here}{path}");
        curl(&[&["--data-binary", body, &url], more].concat())
    };
    let message = r#"{"sql": "SELECT t FROM 'a/+' WHERE t > 80", "topic": "a/b", "payload": {"t": 75}}"#;
    let (status, body) = post("/rules/eval", message, &[])?;
    let told: Value = serde_json::from_str(&body)?;
    assert_eq!(
        (status, &told["matches"], &told["whyNot"]),
        (200, &json!(false), &json!("t is 75; the rule wants > 80"))
    );
    let (status, body) = post("/rules/eval", message, &["-H", "Accept: text/plain"])?;
    assert!(status == 200 && body.ends_with("no match: t is 75; the rule wants > 80\n"), "{body}");

    let case = r#"{"id": "a", "sql": "SELECT t FROM 'a/+'", "topic": "a/b", "payload": {"t": 75}, "expect": {"output": {"t": 75}}}"#;
    let (status, body) = post("/rules/test", &format!("{case}\nnonsense\n"), &[])?;
    let told: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &told["passed"], &told["failures"][0]["line"]), (200, &json!(1), &json!(2)));
    let (_, body) = post("/rules/test", case, &["-H", "Accept: text/plain"])?;
    assert_eq!(body, "1 passed, 0 failed\n");

    // What belongs to the gateway is for whoever may use its control socket.
    let named = r#"{"rule": "hot", "topic": "plant/kiln-1/telemetry", "payload": {"temperature": 85}}"#;
    assert_eq!(post("/rules/eval", named, &[])?.0, 403);
    let socket = site.path("data/control.sock");
    let owned = |path: &str, more: &[&str]| {
        let url = format!("http://control{path}");
        curl(&[&["--unix-socket", self::path(&socket), &url], more].concat())
    };
    let (status, body) = owned("/rules/eval", &["--data-binary", named])?;
    let told: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &told["actions"][0]["settings"]["queue"]), (200, &json!("alerts")));
    let (status, body) = owned("/rules/hot", &[])?;
    assert!(status == 200 && body.contains("temperature > 80"), "{body}");
    assert_eq!(owned("/rules/cold", &[])?.0, 404);

    // A page of somebody else can't ask, whatever its name points to.
    for stranger in ["Host: rebound.example", "Origin: https://evil.example"] {
        assert_eq!(post("/rules/eval", message, &["-H", stranger])?.0, 403, "{stranger}");
    }
    for (body, words) in [
        ("nonsense", "not an object"),
        ("{}", "no `topic`"),
        (r#"{"topic": "a"}"#, "nothing to try"),
        (r#"{"topic": "a", "sql": "SELEC"}"#, "did you mean `SELECT`?"),
    ] {
        let (status, answer) = post("/rules/eval", body, &[])?;
        assert!(status == 400 && answer.contains(words), "{answer}");
    }
    let large = site.path("large.json");
    std::fs::write(&large, vec![b' '; 5 * 1024 * 1024])?;
    assert_eq!(post("/rules/eval", &format!("@{}", path(&large)), &[])?.0, 413);
    Ok(())
}

/// The blocks of a page in this language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_command_of_the_page_about_testing_runs() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(workspace().join("rules/TESTING.md"))?;
    let site = Site::with_queue("[[queue]]\nname = \"alerts\"\n")?;
    let definition = workspace().join("rules/definitions/overheating/rule.toml");
    site.write("rules/overheating/rule.toml", &std::fs::read_to_string(definition)?)?;
    site.write("rules/overheating/cases.jsonl", &blocks(&page, "json").concat())?;
    let vectors = workspace().join("rules/tests/data/aws-vectors.jsonl");
    site.write("vectors.jsonl", &std::fs::read_to_string(vectors)?)?;
    let _gateway = Gateway::start(&site)?;
    let mut client = Client::connect_plain(site.plain_address, &Connect::clean(V5, "k7"))?;

    let program = site.path("bin/iot-gateway");
    site.write("bin/.keep", "")?;
    std::os::unix::fs::symlink(binary(), &program)?;
    let search = format!("{}:{}", path(&site.path("bin")), std::env::var("PATH").unwrap_or_default());
    let mut printed = String::new();
    let commands = blocks(&page, "sh");
    assert!(commands.len() >= 6, "{commands:?}");
    for (number, block) in commands.into_iter().enumerate() {
        let block = block.replace("127.0.0.1:8080", &site.api_address.to_string());
        let file = site.path(&format!("printed-{number}"));
        let output = std::fs::File::create(&file)?;
        let mut child = Command::new("sh")
            .args(["-c", &block])
            .current_dir(site.folder())
            .env("PATH", &search)
            .env("IOT_GATEWAY_CONFIG", "gateway.toml")
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()?;
        wait::for_true("the end of the commands", Duration::from_secs(90), || {
            // Those that follow messages need some.
            let _ = client.publish("plant/k7/telemetry", r#"{"deviceId": "k7", "temperature": 85}"#);
            matches!(child.try_wait(), Ok(Some(_)))
        })?;
        let text = std::fs::read_to_string(&file)?;
        for wrong in ["error:", "{\"message\":", "not found", "Usage:"] {
            assert!(!text.contains(wrong), "{block}\n{text}");
        }
        printed.push_str(&text);
    }
    for words in [
        "2 passed, 0 failed\n",
        "1 shown of ",
        "\"eventId\":",
        "158 passed",
        "\"whyNot\":\"temperature is 75",
    ] {
        assert!(printed.contains(words), "`{words}` is not in {printed}");
    }
    let shown = blocks(&page, "text").into_iter().find(|block| block.starts_with("FROM"));
    assert!(shown.is_some_and(|shown| printed.contains(shown)), "{printed}");
    Ok(())
}
