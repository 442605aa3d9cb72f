//! FIFO queues and message move tasks against the real process, by unmodified SDKs whose signatures are checked, with `kill -9` in between.

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName as SystemAttribute,
    QueueAttributeName as Attribute, SendMessageBatchRequestEntry,
};
use end_to_end::{Client, Connect, Gateway, Python, Site, run_command, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Runtime;

const KEY_ID: &str = "AKIATEST";
const SECRET: &str = "a secret of a test";

const QUEUES: &str = r#"
[[queue]]
name = "orders.fifo"
fifo = true
content_based_deduplication = true
receives_max = 2
dead_letter_queue = "failed.fifo"

[[queue]]
name = "failed.fifo"
fifo = true
dead_letter_sources = ["orders.fifo"]

[api]
address = "ADDRESS"

[[api.access_key]]
id = "AKIATEST"
secret_file = "secret"
"#;

/// A site with a FIFO queue and its dead-letter queue, where every request is signed.
fn site() -> anyhow::Result<Site> {
    let site = Site::new(QUEUES)?;
    site.change_settings("ADDRESS", &site.api_address.to_string())?;
    site.write("secret", &format!("{SECRET}\n"))?;
    Ok(site)
}

fn sdk(gateway: &Gateway) -> Sqs {
    let settings = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(gateway.consumer.origin())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::from_keys(KEY_ID, SECRET, None))
        .build();
    Sqs::from_conf(settings)
}

/// A queue as the SDK sees it.
struct Queue {
    sqs: Sqs,
    url: String,
}

impl Queue {
    async fn of(gateway: &Gateway, name: &str) -> anyhow::Result<Self> {
        let sqs = sdk(gateway);
        let found = sqs.get_queue_url().queue_name(name).send().await?;
        Ok(Self { url: found.queue_url().context("a URL")?.to_string(), sqs })
    }

    /// Message id and sequence number.
    async fn send(&self, group: &str, body: &str) -> anyhow::Result<(String, String)> {
        let sent = self
            .sqs
            .send_message()
            .queue_url(&self.url)
            .message_group_id(group)
            .message_body(body)
            .send()
            .await?;
        let id = sent.message_id().context("an id")?.to_string();
        Ok((id, sent.sequence_number().context("a sequence number")?.to_string()))
    }

    async fn receive(&self) -> anyhow::Result<Vec<Message>> {
        let receive =
            self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10).wait_time_seconds(1);
        let received = receive.message_system_attribute_names(SystemAttribute::All).send().await?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn delete(&self, messages: &[Message]) -> anyhow::Result<()> {
        let entry = |(index, message): (usize, &Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.set_receipt_handle(message.receipt_handle.clone()).build()
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let deleted =
            self.sqs.delete_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await?;
        anyhow::ensure!(deleted.failed().is_empty(), "{:?}", deleted.failed());
        Ok(())
    }

    /// Bodies in order of arrival, deleted as they come.
    async fn drain(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let mut bodies = Vec::new();
        for _ in 0..60 {
            let messages = self.receive().await?;
            if !messages.is_empty() {
                self.delete(&messages).await?;
            }
            bodies.extend(messages.iter().filter_map(Message::body).map(str::to_string));
            if bodies.len() >= count {
                return Ok(bodies);
            }
        }
        anyhow::bail!("{} of {count} came: {bodies:?}", bodies.len())
    }

    async fn arn(&self) -> anyhow::Result<String> {
        let asked = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(Attribute::QueueArn)
            .send()
            .await?;
        Ok(asked.attributes().and_then(|all| all.get(&Attribute::QueueArn)).context("an ARN")?.clone())
    }
}

fn attribute(message: &Message, name: &SystemAttribute) -> Option<String> {
    message.attributes()?.get(name).cloned()
}

/// What was sent: id and sequence number by body.
type Sent = BTreeMap<String, (String, String)>;

#[test]
fn the_rust_sdk_finds_order_and_no_duplicates_over_a_kill() -> anyhow::Result<()> {
    let site = site()?;
    let mut gateway = Gateway::start(&site)?;
    let runtime = Runtime::new()?;
    let sent = runtime.block_on(send_and_take_some(&gateway))?;
    gateway.kill_and_start_again()?;
    runtime.block_on(send_again_and_take_the_rest(&gateway, &sent))
}

async fn send_and_take_some(gateway: &Gateway) -> anyhow::Result<Sent> {
    let queue = Queue::of(gateway, "orders.fifo").await?;
    let mut sent = Sent::new();
    for number in 0..12 {
        let body = number.to_string();
        sent.insert(body.clone(), queue.send(["a", "b"][number % 2], &body).await?);
    }
    let first = queue.receive().await?;
    let groups: Vec<_> =
        first.iter().filter_map(|each| attribute(each, &SystemAttribute::MessageGroupId)).collect();
    assert_eq!(first.len(), 10, "from several groups");
    assert_eq!(groups.iter().filter(|group| *group == "a").count(), 6, "{groups:?}");
    let taken = &first[..3];
    queue.delete(taken).await?;
    let bodies: Vec<_> = taken.iter().filter_map(Message::body).collect();
    assert_eq!(bodies, ["0", "2", "4"]);
    Ok(sent)
}

async fn send_again_and_take_the_rest(gateway: &Gateway, sent: &Sent) -> anyhow::Result<()> {
    let queue = Queue::of(gateway, "orders.fifo").await?;
    for (number, (body, before)) in sent.iter().enumerate() {
        let again = queue.send(["a", "b", "c"][number % 3], body).await?;
        assert_eq!(again, *before, "{body} is a duplicate, deleted or not");
    }
    // The others of the first receive were given back by nobody, so they come when their timeout has passed: 30 s.
    let rest = queue.drain(9).await?;
    let odd: Vec<&String> =
        rest.iter().filter(|body| ["1", "3", "5", "7", "9", "11"].contains(&body.as_str())).collect();
    assert_eq!(odd, ["1", "3", "5", "7", "9", "11"], "{rest:?}");
    let even: Vec<&String> = rest.iter().filter(|body| !odd.contains(body)).collect();
    assert_eq!(even, ["6", "8", "10"], "{rest:?}");
    assert!(queue.receive().await?.is_empty());
    Ok(())
}

#[test]
fn the_rust_sdk_repeats_a_receive_batches_and_is_told_why_not() -> anyhow::Result<()> {
    let site = site()?;
    let gateway = Gateway::start(&site)?;
    Runtime::new()?.block_on(batch_and_repeat(&gateway))
}

async fn batch_and_repeat(gateway: &Gateway) -> anyhow::Result<()> {
    let queue = Queue::of(gateway, "orders.fifo").await?;
    let entry = |id: &str, group: Option<&str>, body: &str| {
        let entry = SendMessageBatchRequestEntry::builder().id(id).message_body(body);
        entry.set_message_group_id(group.map(str::to_string)).build()
    };
    let entries =
        vec![entry("good", Some("a"), "1")?, entry("bad", None, "2")?, entry("too", Some("a"), "3")?];
    let batch =
        queue.sqs.send_message_batch().queue_url(&queue.url).set_entries(Some(entries)).send().await?;
    let good: Vec<&str> = batch.successful().iter().map(|each| each.id()).collect();
    let bad: Vec<(&str, &str)> = batch.failed().iter().map(|each| (each.id(), each.code())).collect();
    assert_eq!((good, bad), (vec!["good", "too"], vec![("bad", "MissingParameter")]));

    let receive = || queue.sqs.receive_message().queue_url(&queue.url).max_number_of_messages(10);
    let attempt = || receive().receive_request_attempt_id("try-1").wait_time_seconds(5).send();
    let (first, again) = (attempt().await?, attempt().await?);
    let handles = |messages: &[Message]| -> Vec<_> {
        messages.iter().map(|each| each.receipt_handle.clone()).collect()
    };
    assert_eq!((first.messages().len(), handles(first.messages())), (2, handles(again.messages())));

    let refused =
        queue.sqs.create_queue().queue_name("plain").attributes(Attribute::FifoQueue, "true").send().await;
    let code = refused.err().and_then(|error| error.into_service_error().code().map(str::to_string));
    assert_eq!(code.as_deref(), Some("InvalidParameterValue"));
    let stranger = Credentials::from_keys(KEY_ID, "another secret", None);
    let stranger = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(gateway.consumer.origin())
        .region(Region::new("us-east-1"))
        .credentials_provider(stranger)
        .build();
    let refused = Sqs::from_conf(stranger).list_queues().send().await;
    let code = refused.err().and_then(|error| error.into_service_error().code().map(str::to_string));
    assert_eq!(code.as_deref(), Some("SignatureDoesNotMatch"));
    Ok(())
}

#[test]
fn dead_letters_go_back_by_a_task_that_a_kill_interrupts() -> anyhow::Result<()> {
    let site = site()?;
    let mut gateway = Gateway::start(&site)?;
    let runtime = Runtime::new()?;
    let source = runtime.block_on(begin_to_move(&gateway))?;
    gateway.kill_and_start_again()?;
    runtime.block_on(find_everything_moved(&gateway, &source))
}

async fn begin_to_move(gateway: &Gateway) -> anyhow::Result<String> {
    let (orders, failed) =
        (Queue::of(gateway, "orders.fifo").await?, Queue::of(gateway, "failed.fifo").await?);
    for number in 0..8 {
        failed
            .sqs
            .send_message()
            .queue_url(&failed.url)
            .message_group_id("a")
            .message_deduplication_id(number.to_string())
            .message_body(number.to_string())
            .send()
            .await?;
    }
    let (source, destination) = (failed.arn().await?, orders.arn().await?);
    let start = failed.sqs.start_message_move_task().source_arn(&source).destination_arn(&destination);
    let started = start.max_number_of_messages_per_second(4).send().await?;
    anyhow::ensure!(started.task_handle().is_some(), "a handle");
    Ok(source)
}

async fn find_everything_moved(gateway: &Gateway, source: &str) -> anyhow::Result<()> {
    let (orders, failed) =
        (Queue::of(gateway, "orders.fifo").await?, Queue::of(gateway, "failed.fifo").await?);
    let bodies = orders.drain(8).await?;
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let listed = failed.sqs.list_message_move_tasks().source_arn(source).send().await?;
    assert_eq!(listed.results()[0].approximate_number_of_messages_to_move(), Some(8));
    assert!(orders.receive().await?.is_empty() && failed.receive().await?.is_empty());
    Ok(())
}

#[test]
fn boto3_works_a_fifo_queue_as_it_works_sqs_over_a_kill() -> anyhow::Result<()> {
    let site = site()?;
    let mut gateway = Gateway::start(&site)?;
    let held = site.path("held.json").display().to_string();
    for phase in ["before", "after"] {
        let origin = gateway.consumer.origin().to_string();
        let arguments =
            [phase, &origin, "orders.fifo", "failed.fifo", KEY_ID, SECRET, &held].map(str::to_string);
        let report = Python::run("work_fifo.py", &arguments)?;
        for (what, happened) in report.as_object().into_iter().flatten() {
            assert_eq!(happened, &Value::Bool(true), "{what}: {report}");
        }
        gateway.kill_and_start_again()?;
    }
    Ok(())
}

#[test]
fn a_rule_sends_to_a_fifo_queue_and_its_duplicates_are_in_the_ledger() -> anyhow::Result<()> {
    let site = Site::new("[[queue]]\nname = \"orders.fifo\"\nfifo = true\n")?;
    let action = "queue = { name = \"orders.fifo\", message_group_id = \"${line}\", message_deduplication_id = \"${order}\" }";
    site.write_rule("ordered", "SELECT step FROM 'plant/+/telemetry'", action)?;
    let mut gateway = Gateway::start(&site)?;
    let publish = |order: &str, step: u32| -> anyhow::Result<()> {
        let mut client = Client::connect_plain(site.plain_address, &Connect::clean(5, "kiln-1"))?;
        let payload = format!("{{\"line\": \"l1\", \"order\": \"{order}\", \"step\": {step}}}");
        assert_eq!(client.publish("plant/kiln-1/telemetry", payload)?, 0);
        Ok(())
    };
    for (order, step) in [("x", 1), ("x", 2), ("y", 3)] {
        publish(order, step)?;
    }
    gateway.kill_and_start_again()?;
    publish("x", 4)?;
    publish("z", 5)?;
    let received = gateway.consumer.call(
        "AmazonSQS.ReceiveMessage",
        &serde_json::json!({
            "QueueUrl": gateway.consumer.queue_url("orders.fifo"), "MaxNumberOfMessages": 10, "AttributeNames": ["All"],
        }),
    )?;
    let messages = received["Messages"].as_array().context("messages")?;
    let bodies: Vec<&str> = messages.iter().filter_map(|message| message["Body"].as_str()).collect();
    assert_eq!(bodies, ["{\"step\":1}", "{\"step\":3}", "{\"step\":5}"]);
    assert_eq!(messages[0]["Attributes"]["MessageGroupId"], "l1");
    assert_eq!(messages[0]["Attributes"]["MessageDeduplicationId"], "x");
    let settings = site.settings_file().display().to_string();
    let row = wait::until("the ledger", Duration::from_secs(20), || {
        let ledger: Value =
            serde_json::from_str(&run_command(&["ledger", "--json", "--config", &settings]).ok()?).ok()?;
        let row = ledger["rows"].as_array()?.iter().find(|row| row["rule"] == "ordered").cloned()?;
        (ledger["balanced"] == true && row["accepted"] == 5).then_some(row)
    })?;
    assert_eq!((&row["delivered"], &row["dropped"]["deduplicated"]), (&3.into(), &2.into()), "{row}");
    Ok(())
}
