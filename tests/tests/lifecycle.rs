//! Lifecycle events as AWS IoT has them: who came, who left and why, told to rules and subscribers, durably and in order.

use end_to_end::{ALLOW_ALL, Client, Connect, Event, Gateway, Site, kind, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const V4: u8 = 4;
const V5: u8 = 5;

/// Nothing but lifecycle events is made by the gateway itself.
const NO_SYS: &str = "[mqtt]\nsys_interval_secs = 0\n";

/// A site whose rule sends every event to the queue `events`.
fn site(filter: &str) -> anyhow::Result<Site> {
    let site = Site::new(&format!("{NO_SYS}[[queue]]\nname = \"events\"\n"))?;
    let sql = format!("SELECT *, topic() AS topic FROM '{filter}'");
    site.write_rule("events", &sql, "queue = \"events\"")?;
    Ok(site)
}

/// Events as lines, those of each client together and in the order in which they came.
fn told(events: &[Event]) -> String {
    let mut clients: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in events {
        let data = &event.data;
        let text = |key: &str| data[key].as_str().unwrap_or_default();
        let topics =
            data["topics"].as_array().map(|topics| topics.iter().filter_map(Value::as_str).collect());
        let topics: Vec<&str> = topics.unwrap_or_default();
        let parts =
            [text("eventType"), text("disconnectReason"), text("connectFailureReason"), &topics.join(",")];
        let line = parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ");
        clients.entry(text("clientId")).or_default().push(line);
    }
    let lines = clients.iter().flat_map(|(id, lines)| lines.iter().map(move |line| format!("{id} {line}\n")));
    lines.collect()
}

fn clean(site: &Site, version: u8, client_id: &str) -> anyhow::Result<Client> {
    Client::connect_plain(site.plain_address, &Connect::clean(version, client_id))
}

/// Everything that can end a connection, from the outside.
fn lead_all_lives(site: &Site) -> anyhow::Result<()> {
    let mut talker = clean(site, V5, "a-talker")?;
    assert_eq!(talker.subscribe("plant/#", 1)?, 1);
    assert_eq!(talker.subscribe("$share/group/plant/+", 0)?, 0);
    talker.unsubscribe(&["plant/#", "never/subscribed"])?;
    talker.disconnect()?;

    drop(clean(site, V4, "b-lost")?);

    let mut first = clean(site, V5, "c-twice")?;
    let mut second = clean(site, V4, "c-twice")?;
    assert_eq!(first.expect(kind::DISCONNECT)?.reason(), 0x8e);
    second.send(&Connect::clean(V4, "c-twice").bytes())?;
    second.wait_for_the_end()?;

    let mut silent = Connect::clean(V5, "d-silent");
    silent.keep_alive_secs = 1;
    let mut silent = Client::connect_plain(site.plain_address, &silent)?;
    assert_eq!(silent.expect(kind::DISCONNECT)?.reason(), 0x8d);

    let mut presumptuous = clean(site, V4, "e-presumptuous")?;
    presumptuous.send_publish("$aws/events/presence/connected/x", "{}", 0)?;
    presumptuous.wait_for_the_end()?;

    for nameless in ["f/with/+", "f#"] {
        clean(site, V5, nameless)?.disconnect()?;
    }
    clean(site, V5, "f/with/levels")?.disconnect()?;

    let stranger = Client::tls(site.tls_address, &site.device("kiln-1")?).and_then(|mut client| {
        client.connect(&Connect::clean(V5, "g-stranger")).map_err(std::io::Error::other)
    })?;
    assert_eq!(stranger.reason(), 0x87);
    Ok(())
}

#[test]
fn a_rule_sees_every_life_from_its_beginning_to_its_end() -> anyhow::Result<()> {
    let site = site("$aws/events/#")?;
    site.register(&["kiln-1"])?;
    let mut gateway = Gateway::start(&site)?;
    lead_all_lives(&site)?;
    // One that is still there when the gateway ends.
    let mut last = clean(&site, V5, "h-last")?;
    gateway.stop()?;
    last.wait_for_the_end()?;
    gateway.start_again()?;

    let expected = "\
a-talker connected
a-talker subscribed plant/#
a-talker subscribed $share/group/plant/+
a-talker unsubscribed plant/#
a-talker disconnected CLIENT_INITIATED_DISCONNECT
b-lost connected
b-lost disconnected CONNECTION_LOST
c-twice connected
c-twice disconnected DUPLICATE_CLIENTID
c-twice connected
c-twice disconnected CLIENT_ERROR
d-silent connected
d-silent disconnected MQTT_KEEP_ALIVE_TIMEOUT
e-presumptuous connected
e-presumptuous disconnected AUTH_ERROR
f/with/levels connected
f/with/levels disconnected CLIENT_INITIATED_DISCONNECT
g-stranger connect_failed AUTHORIZATION_FAILED
h-last connected
h-last disconnected SERVER_INITIATED_DISCONNECT
";
    let events = gateway.consumer.take_until("events", expected.lines().count())?;
    assert_eq!(told(&events), expected);
    assert!(gateway.consumer.take("events", 1)?.is_empty());
    check_fields(&site, &events)
}

/// What a client is not told, the operator is: in the event, in the metric, in the log.
#[test]
fn a_denial_that_is_not_revealed_is_told_as_what_it_is() -> anyhow::Result<()> {
    let access = "[access]\npolicies = \"policies\"\nreveal_denials = false\n";
    let site = Site::new(&format!("{NO_SYS}{access}[[queue]]\nname = \"events\"\n"))?;
    site.write_rule("events", "SELECT * FROM '$aws/events/presence/disconnected/+'", "queue = \"events\"")?;
    let gateway = Gateway::start(&site)?;
    let mut presumptuous = clean(&site, V5, "presumptuous")?;
    presumptuous.send_publish("$aws/events/presence/connected/x", "{}", 0)?;
    assert_eq!(presumptuous.expect(kind::DISCONNECT)?.reason(), 0x80);
    let events = gateway.consumer.take_until("events", 1)?;
    assert_eq!(told(&events), "presumptuous disconnected AUTH_ERROR\n");
    Ok(())
}

/// The keys and values of AWS's documentation.
fn check_fields(site: &Site, events: &[Event]) -> anyhow::Result<()> {
    let find = |client_id: &str, event_type: &str| {
        let mut found = events.iter().map(|event| &event.data);
        found
            .find(|data| data["clientId"] == client_id && data["eventType"] == event_type)
            .expect("it was told")
    };
    let (connected, disconnected) = (find("a-talker", "connected"), find("a-talker", "disconnected"));
    let keys = |data: &Value| data.as_object().map(|keys| keys.keys().cloned().collect::<Vec<_>>().join(" "));
    let sorted = |text: &str| {
        let mut keys: Vec<_> = text.split(' ').collect();
        keys.sort_unstable();
        Some(keys.join(" "))
    };
    let common = "clientId timestamp eventType sessionIdentifier principalIdentifier topic";
    assert_eq!(keys(connected), sorted(&format!("{common} ipAddress versionNumber")));
    let more = "clientInitiatedDisconnect disconnectReason versionNumber";
    assert_eq!(keys(disconnected), sorted(&format!("{common} {more}")));
    assert_eq!(keys(find("a-talker", "subscribed")), sorted(&format!("{common} topics")));
    let failed = find("g-stranger", "connect_failed");
    assert_eq!(keys(failed), sorted(&format!("{common} connectFailureReason ipAddress")));
    assert_eq!(failed["principalIdentifier"], site.fingerprint("kiln-1")?.as_str());
    assert_eq!(connected["principalIdentifier"], "anonymous");
    assert_eq!(connected["ipAddress"], "127.0.0.1");
    assert_eq!(connected["topic"], "$aws/events/presence/connected/a-talker");
    assert_eq!(find("f/with/levels", "connected")["topic"], "$aws/events/presence/connected/f/with/levels");
    assert_eq!(connected["versionNumber"], disconnected["versionNumber"]);
    assert_eq!(connected["sessionIdentifier"], disconnected["sessionIdentifier"]);
    assert_eq!(disconnected["clientInitiatedDisconnect"], true);
    assert_eq!(find("b-lost", "disconnected")["clientInitiatedDisconnect"], false);
    let twice = events.iter().filter(|event| event.data["clientId"] == "c-twice");
    let versions: Vec<u64> = twice.filter_map(|event| event.data["versionNumber"].as_u64()).collect();
    assert!(
        versions[0] == versions[1] && versions[1] < versions[2] && versions[2] == versions[3],
        "{versions:?}"
    );
    Ok(())
}

#[test]
fn events_outlive_a_kill_and_version_numbers_grow_over_it() -> anyhow::Result<()> {
    let site = site("$aws/events/presence/+/+")?;
    let mut gateway = Gateway::start(&site)?;
    let connect = Connect::durable(V5, "kiln");
    for _ in 0..3 {
        let _client = Client::connect_plain(site.plain_address, &connect)?;
        let written = |gateway: &Gateway| {
            gateway.consumer.metrics().is_ok_and(|all| all.sum("iot_gateway_own_messages_total", "") >= 1.0)
        };
        wait::for_true("the event to be durable", wait::SOON, || written(&gateway))?;
        gateway.kill()?;
        gateway.start_again()?;
    }
    // The process that is gone could not say how its connections ended; the next connection says that they have.
    let events = gateway.consumer.take_until("events", 3)?;
    assert_eq!(told(&events), "kiln connected\n".repeat(3));
    let numbers: Vec<_> = events.iter().filter_map(|event| event.data["versionNumber"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|earlier, later| earlier < later), "{numbers:?}");
    let sessions: Vec<_> = events.iter().map(|event| event.data["sessionIdentifier"].clone()).collect();
    assert!(
        sessions.windows(2).all(|pair| pair[0] == pair[1]),
        "one session, three connections: {sessions:?}"
    );
    Ok(())
}

#[test]
fn a_fleet_that_comes_and_goes_at_once_is_told_of_whole() -> anyhow::Result<()> {
    const CLIENTS: usize = 300;
    let site = site("$aws/events/presence/#")?;
    let gateway = Gateway::start(&site)?;
    let clients = (0..CLIENTS).map(|number| clean(&site, V5, &format!("client-{number}")));
    let clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    drop(clients);
    let events = gateway.consumer.take_until("events", 2 * CLIENTS)?;
    let told = told(&events);
    for number in 0..CLIENTS {
        let whole = format!("client-{number} connected\nclient-{number} disconnected CONNECTION_LOST\n");
        assert!(told.contains(&whole), "{number} in {told}");
    }
    assert_eq!(events.len(), 2 * CLIENTS);
    assert_eq!(gateway.consumer.metrics()?.sum("iot_gateway_own_messages_dropped_total", ""), 0.0);
    Ok(())
}

#[test]
fn subscribers_hear_events_by_name_and_as_their_policy_allows() -> anyhow::Result<()> {
    let site = Site::new(NO_SYS)?;
    site.write_policy("device", ALLOW_ALL)?;
    site.register(&["watcher"])?;
    let gateway = Gateway::start(&site)?;
    let metrics = |name: &str| gateway.consumer.metrics().map(|all| all.sum(name, ""));
    // Nobody listens: nothing is made.
    clean(&site, V5, "unheard")?.disconnect()?;
    assert_eq!(metrics("iot_gateway_own_messages_total")?, 0.0);

    let mut everything = clean(&site, V5, "everything")?;
    everything.subscribe("#", 1)?;
    everything.subscribe("+/events/#", 1)?;
    let options = site.device("watcher")?;
    let mut watcher = Client::connect_tls(site.tls_address, &options, &Connect::clean(V5, "watcher"))?;
    watcher.subscribe("$aws/events/presence/connected/+", 1)?;
    clean(&site, V4, "kiln-1")?.disconnect()?;
    let event = watcher.receive()?;
    assert_eq!(
        (event.topic.as_str(), event.qos, event.retain),
        ("$aws/events/presence/connected/kiln-1", 1, false)
    );
    let data: Value = serde_json::from_slice(&event.payload)?;
    assert_eq!(data["eventType"], "connected");
    // [MQTT-4.7.2-1]
    everything.ping()?;
    assert!(
        everything.read_within(Duration::from_millis(1)).is_err(),
        "`#` does not match what begins with `$`"
    );

    // A policy that changes acts on the subscription that is there.
    site.write_policy("device", &ALLOW_ALL.replace("iot:*", "iot:Connect"))?;
    gateway.log.wait_for("policy in force", |line| line.field("is_new") == "false")?;
    clean(&site, V4, "kiln-2")?.disconnect()?;
    wait::for_true("the copy to be withheld", wait::SOON, || {
        let all = gateway.consumer.metrics();
        all.is_ok_and(|all| all.sum("iot_gateway_messages_dropped_total", "not_permitted") >= 1.0)
    })?;
    Ok(())
}

#[test]
fn nobody_publishes_in_the_servers_name() -> anyhow::Result<()> {
    let site = site("plant/#")?;
    let gateway = Gateway::start(&site)?;
    let mut client = clean(&site, V5, "client")?;
    client.subscribe("$TopicA/#", 1)?;
    for topic in
        ["$SYS/broker/uptime", "$aws/events/presence/connected/x", "$aws/things/x", "$share/group/plant"]
    {
        assert_eq!(client.publish(topic, "forged")?, 0x87, "{topic}");
    }
    let refused = gateway.consumer.metrics()?.sum("iot_gateway_publishes_refused_total", "reserved_topic");
    assert_eq!(refused, 4.0);
    assert_eq!(client.publish("$TopicA/B", "ours")?, 0, "other names are for those who use them");
    assert_eq!(client.receive()?.topic, "$TopicA/B");
    assert_eq!(client.publish("$aws/rules/events/plant", "{}")?, 0, "Basic Ingest");

    let mut connect = Connect::clean(V5, "heir");
    connect.will =
        Some(end_to_end::Will { topic: "$SYS/broker/uptime".to_string(), payload: b"forged".to_vec() });
    let mut heir = Client::plain(site.plain_address)?;
    assert_eq!(heir.connect(&connect)?.reason(), 0x87);
    Ok(())
}
