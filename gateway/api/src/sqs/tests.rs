//! The protocol from outside: requests and answers as SDKs write and read them.

use axum::http::StatusCode;
use bus::{Event, Origin, Record, Route, TargetName};
use serde_json::{Value, json};

use crate::fixture::Gateway;

const ALERTS: &str = "http://127.0.0.1:8080/000000000000/alerts";
const FAILED: &str = "http://127.0.0.1:8080/000000000000/failed";

/// Receives one message, waiting for it.
async fn receive(gateway: &Gateway, request: Value) -> Value {
    let mut with_defaults = json!({"QueueUrl": ALERTS, "WaitTimeSeconds": 20});
    with_defaults.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let mut answer = gateway.done("AmazonSQS.ReceiveMessage", with_defaults).await;
    answer["Messages"][0].take()
}

#[tokio::test]
async fn queues_are_found_by_name_and_told_by_url() {
    let gateway = Gateway::trusting().await;
    let listed = gateway.done("AmazonSQS.ListQueues", json!({})).await;
    assert_eq!(listed, json!({"QueueUrls": [ALERTS, FAILED]}));
    let page = gateway.done("AmazonSQS.ListQueues", json!({"MaxResults": 1})).await;
    assert_eq!(page["QueueUrls"], json!([ALERTS]));
    let rest =
        gateway.done("AmazonSQS.ListQueues", json!({"MaxResults": 1, "NextToken": page["NextToken"]})).await;
    assert_eq!(rest, json!({"QueueUrls": [FAILED]}));
    let url = gateway.done("AmazonSQS.GetQueueUrl", json!({"QueueName": "alerts"})).await;
    assert_eq!(url, json!({"QueueUrl": ALERTS}));
    let sources = gateway.done("AmazonSQS.ListDeadLetterSourceQueues", json!({"QueueUrl": FAILED})).await;
    assert_eq!(sources, json!({"queueUrls": [ALERTS]}));
}

#[tokio::test]
async fn a_message_goes_through_with_its_attributes_and_digests() {
    let gateway = Gateway::trusting().await;
    let request = json!({
        "QueueUrl": ALERTS,
        "MessageBody": "This is a test message",
        "MessageAttributes": {
            "timestamp": {"DataType": "Number", "StringValue": "1493147359900"},
            "raw.bytes": {"DataType": "Binary", "BinaryValue": "AAE="},
        },
    });
    let sent = gateway.done("AmazonSQS.SendMessage", request).await;
    assert_eq!(sent["MD5OfMessageBody"], "fafb00f5732ab283681e124bf8747ed1");
    let message = receive(
        &gateway,
        json!({
            "MessageAttributeNames": ["timestamp"], "AttributeNames": ["All"],
        }),
    )
    .await;
    assert_eq!(message["MessageId"], sent["MessageId"]);
    assert_eq!(message["MD5OfBody"], "fafb00f5732ab283681e124bf8747ed1");
    assert_eq!(message["MD5OfMessageAttributes"], "235c5c510d26fb653d073faed50ae77c");
    assert_eq!(
        message["MessageAttributes"],
        json!({"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}})
    );
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(message["Attributes"]["SenderId"], "anonymous");
    assert!(message["Attributes"]["SentTimestamp"].as_str().unwrap().parse::<u64>().is_ok());
    let handle = message["ReceiptHandle"].clone();
    gateway.done("AmazonSQS.DeleteMessage", json!({"QueueUrl": ALERTS, "ReceiptHandle": handle})).await;
    let empty = gateway.done("AmazonSQS.ReceiveMessage", json!({"QueueUrl": ALERTS})).await;
    assert_eq!(empty, json!({}));
}

#[tokio::test]
async fn a_rules_event_is_a_message_with_its_origin() {
    let gateway = Gateway::trusting().await;
    let mut record = Record::new(Origin::Device, 1_700_000_000_000);
    record.client_id = "kiln-1".into();
    record.topic = "plant/1/telemetry".into();
    record.accepted_at_ms = u64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
    )
    .unwrap();
    let mut event = Event::json("overheating", "{\"temperature\":81}");
    event.routes.push(Route::to(TargetName::parse("queue/alerts").unwrap()));
    record.add(event);
    gateway.bus.send(&record).await.unwrap();
    let message =
        receive(&gateway, json!({"MessageAttributeNames": ["All"], "AttributeNames": ["SenderId"]})).await;
    assert_eq!(message["Body"], "{\"temperature\":81}");
    assert_eq!(message["Attributes"], json!({"SenderId": "kiln-1"}));
    let attribute = |name: &str| message["MessageAttributes"][name]["StringValue"].clone();
    assert_eq!(attribute("eventId"), format!("{}:overheating", record.base));
    assert_eq!(attribute("topic"), "plant/1/telemetry");
}

#[tokio::test]
async fn a_message_received_too_often_is_in_the_dead_letter_queue() {
    let gateway = Gateway::trusting().await;
    gateway.done("AmazonSQS.SendMessage", json!({"QueueUrl": ALERTS, "MessageBody": "poison"})).await;
    for count in ["1", "2"] {
        let names = json!({"AttributeNames": ["ApproximateReceiveCount"], "VisibilityTimeout": 0});
        assert_eq!(receive(&gateway, names).await["Attributes"]["ApproximateReceiveCount"], count);
    }
    let moved = receive(&gateway, json!({"QueueUrl": FAILED, "MessageSystemAttributeNames": ["All"]})).await;
    assert_eq!(moved["Body"], "poison");
    assert_eq!(moved["Attributes"]["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:alerts");
}

#[tokio::test]
async fn batches_fail_entry_by_entry() {
    let gateway = Gateway::trusting().await;
    let entries = json!([
        {"Id": "a", "MessageBody": "a"},
        {"Id": "b"},
        {"Id": "c", "MessageBody": "bell \u{7}"},
    ]);
    let sent =
        gateway.done("AmazonSQS.SendMessageBatch", json!({"QueueUrl": ALERTS, "Entries": entries})).await;
    assert_eq!(sent["Successful"][0]["Id"], "a");
    let codes: Vec<_> =
        sent["Failed"].as_array().unwrap().iter().map(|each| each["Code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["MissingParameter", "InvalidMessageContents"]);
    let message = receive(&gateway, json!({})).await;
    let entries = json!([
        {"Id": "good", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 60},
        {"Id": "bad", "ReceiptHandle": "made-up", "VisibilityTimeout": 60},
    ]);
    let request = json!({"QueueUrl": ALERTS, "Entries": entries});
    for operation in ["AmazonSQS.ChangeMessageVisibilityBatch", "AmazonSQS.DeleteMessageBatch"] {
        let outcome = gateway.done(operation, request.clone()).await;
        assert_eq!(outcome["Successful"], json!([{"Id": "good"}]), "{operation}");
        assert_eq!(outcome["Failed"][0]["Code"], "ReceiptHandleIsInvalid", "{operation}");
        assert_eq!(outcome["Failed"][0]["SenderFault"], true);
    }
}

#[tokio::test]
async fn attributes_are_set_and_told() {
    let gateway = Gateway::trusting().await;
    let policy =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:failed","maxReceiveCount":"7"}"#;
    let request = json!({
        "QueueName": "jobs",
        "Attributes": {"VisibilityTimeout": "45", "RedrivePolicy": policy},
        "tags": {"team": "plant"},
    });
    let url = gateway.done("AmazonSQS.CreateQueue", request).await["QueueUrl"].clone();
    let request = json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "5"}});
    gateway.done("AmazonSQS.SetQueueAttributes", request).await;
    let all = gateway
        .done("AmazonSQS.GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]}))
        .await;
    let attributes = &all["Attributes"];
    for (name, value) in [
        ("VisibilityTimeout", "45"),
        ("DelaySeconds", "5"),
        ("MessageRetentionPeriod", "345600"),
        ("ApproximateNumberOfMessages", "0"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:jobs"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let policy: Value = serde_json::from_str(attributes["RedrivePolicy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["maxReceiveCount"], 7);
    gateway
        .done("AmazonSQS.SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": ""}}))
        .await;
    let none = gateway
        .done("AmazonSQS.GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["RedrivePolicy"]}))
        .await;
    assert_eq!(none, json!({"Attributes": {}}));
    gateway.done("AmazonSQS.TagQueue", json!({"QueueUrl": url, "Tags": {"a": "b"}})).await;
    gateway.done("AmazonSQS.UntagQueue", json!({"QueueUrl": url, "TagKeys": ["team"]})).await;
    let tags = gateway.done("AmazonSQS.ListQueueTags", json!({"QueueUrl": url})).await;
    assert_eq!(tags, json!({"Tags": {"a": "b"}}));
    gateway.done("AmazonSQS.PurgeQueue", json!({"QueueUrl": url})).await;
    gateway.done("AmazonSQS.DeleteQueue", json!({"QueueUrl": url})).await;
    assert_eq!(
        gateway.call("AmazonSQS.PurgeQueue", &json!({"QueueUrl": url})).await.code(),
        "QueueDoesNotExist"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of alike cases")]
async fn refusals_have_the_names_that_sdks_know() {
    let gateway = Gateway::trusting().await;
    let unknown = "http://127.0.0.1:8080/000000000000/alert";
    let stranger = "http://127.0.0.1:8080/111111111111/alerts";
    let eleven: Vec<Value> = (0..11).map(|id| json!({"Id": id.to_string(), "MessageBody": "x"})).collect();
    let large = "x".repeat(600_000);
    let cases = [
        (
            "GetQueueUrl",
            json!({"QueueName": "alert"}),
            400,
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("GetQueueUrl", json!({}), 400, "MissingParameter", "MissingParameter"),
        (
            "SendMessage",
            json!({"QueueUrl": unknown, "MessageBody": "x"}),
            400,
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": stranger, "MessageBody": "x"}),
            400,
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("SendMessage", json!({"MessageBody": "x"}), 400, "MissingParameter", "MissingParameter"),
        (
            "SendMessage",
            json!({"QueueUrl": ALERTS, "MessageBody": ""}),
            400,
            "MissingParameter",
            "MissingParameter",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": ALERTS, "MessageBody": "\u{0}"}),
            400,
            "InvalidMessageContents",
            "InvalidMessageContents",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": ALERTS, "MessageBody": "x", "DelaySeconds": 901}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": ALERTS, "MessageBody": "x".repeat(1_048_577)}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": ALERTS, "MessageBody": "x", "MessageDeduplicationId": "x"}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": ALERTS, "Entries": []}),
            400,
            "EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": ALERTS, "Entries": eleven}),
            400,
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": ALERTS, "Entries": [{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "x"}]}),
            400,
            "BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": ALERTS, "Entries": [{"Id": "a b", "MessageBody": "x"}]}),
            400,
            "InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": ALERTS, "Entries": [{"Id": "a", "MessageBody": large}, {"Id": "b", "MessageBody": large}]}),
            400,
            "BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": ALERTS, "MaxNumberOfMessages": 0}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": ALERTS, "WaitTimeSeconds": 21}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": ALERTS, "VisibilityTimeout": 43_201}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "DeleteMessage",
            json!({"QueueUrl": ALERTS, "ReceiptHandle": "made-up"}),
            404,
            "ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "alerts", "Attributes": {"DelaySeconds": "9"}}),
            400,
            "QueueNameExists",
            "QueueAlreadyExists",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "a", "Attributes": {"FifoQueue": "true"}}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "a.fifo"}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "a", "Attributes": {"ContentBasedDeduplication": "true"}}),
            400,
            "InvalidAttributeName",
            "InvalidAttributeName",
        ),
        (
            "StartMessageMoveTask",
            json!({"SourceArn": "arn:aws:sqs:us-east-1:000000000000:nowhere"}),
            400,
            "ResourceNotFoundException",
            "ResourceNotFoundException",
        ),
        (
            "StartMessageMoveTask",
            json!({"SourceArn": "arn:aws:sqs:us-east-1:000000000000:alerts"}),
            400,
            "UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        (
            "CancelMessageMoveTask",
            json!({"TaskHandle": "made-up"}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "SetQueueAttributes",
            json!({"QueueUrl": ALERTS, "Attributes": {"RedriveAllowPolicy": "{\"redrivePermission\":\"byQueue\"}"}}),
            400,
            "InvalidAttributeValue",
            "InvalidAttributeValue",
        ),
        ("CreateQueue", json!({"QueueName": "a/b"}), 400, "InvalidParameterValue", "InvalidParameterValue"),
        (
            "CreateQueue",
            json!({"QueueName": "q", "Attributes": {"Colour": "red"}}),
            400,
            "InvalidAttributeName",
            "InvalidAttributeName",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "q", "Attributes": {"DelaySeconds": "901"}}),
            400,
            "InvalidAttributeValue",
            "InvalidAttributeValue",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "q", "Attributes": {"Policy": "{\"a\":1}"}}),
            400,
            "InvalidAttributeValue",
            "InvalidAttributeValue",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "q", "Attributes": {"RedrivePolicy": "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:nowhere\",\"maxReceiveCount\":3}"}}),
            400,
            "InvalidParameterValue",
            "InvalidParameterValue",
        ),
        (
            "DeleteQueue",
            json!({"QueueUrl": ALERTS}),
            400,
            "UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        (
            "AddPermission",
            json!({"QueueUrl": ALERTS}),
            400,
            "UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
    ];
    for (operation, request, status, code, query_code) in cases {
        let answer = gateway.call(&format!("AmazonSQS.{operation}"), &request).await;
        let what = format!("{operation} {}", request.to_string().chars().take(120).collect::<String>());
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{what}: {}", answer.body);
        assert_eq!(answer.headers["x-amzn-query-error"], format!("{query_code};Sender"), "{what}");
    }
    // A handle is good until the message is visible again.
    gateway.done("AmazonSQS.SendMessage", json!({"QueueUrl": ALERTS, "MessageBody": "x"})).await;
    let handle = receive(&gateway, json!({"VisibilityTimeout": 0})).await["ReceiptHandle"].clone();
    let request = json!({"QueueUrl": ALERTS, "ReceiptHandle": handle, "VisibilityTimeout": 10});
    let answer = gateway.call("AmazonSQS.ChangeMessageVisibility", &request).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "MessageNotInflight"));
}

#[tokio::test]
async fn a_fifo_queue_is_made_described_and_used() {
    let gateway = Gateway::trusting().await;
    let attributes = json!({
        "FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    });
    let made = gateway
        .done("AmazonSQS.CreateQueue", json!({"QueueName": "orders.fifo", "Attributes": attributes}))
        .await;
    let url = made["QueueUrl"].clone();
    let described = gateway
        .done("AmazonSQS.GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]}))
        .await;
    for (name, value) in attributes.as_object().unwrap() {
        assert_eq!(described["Attributes"][name], *value);
    }
    let refused = json!({"QueueUrl": url, "Attributes": {"DeduplicationScope": "queue"}});
    let answer = gateway.call("AmazonSQS.SetQueueAttributes", &refused).await;
    assert_eq!(answer.code(), "InvalidAttributeValue", "the limit needs the scope");

    let send = async |group: &str, body: &str| {
        let request = json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group});
        gateway.done("AmazonSQS.SendMessage", request).await
    };
    let (first, again) = (send("a", "1").await, send("a", "1").await);
    assert_eq!(
        (&first["MessageId"], &first["SequenceNumber"]),
        (&again["MessageId"], &again["SequenceNumber"])
    );
    let second = send("a", "2").await;
    let number = |sent: &Value| sent["SequenceNumber"].as_str().unwrap().parse::<u128>().unwrap();
    assert!(number(&first) < number(&second));
    let request = json!({
        "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "ReceiveRequestAttemptId": "try-1",
        "MessageSystemAttributeNames": ["All"],
    });
    let received = gateway.done("AmazonSQS.ReceiveMessage", request.clone()).await;
    let bodies: Vec<_> = received["Messages"].as_array().unwrap().iter().map(|each| &each["Body"]).collect();
    assert_eq!(bodies, ["1", "2"]);
    let attributes = &received["Messages"][0]["Attributes"];
    assert_eq!(
        (&attributes["SequenceNumber"], &attributes["MessageGroupId"]),
        (&first["SequenceNumber"], &json!("a"))
    );
    assert_eq!(attributes["MessageDeduplicationId"].as_str().unwrap().len(), 64);
    assert_eq!(gateway.done("AmazonSQS.ReceiveMessage", request).await, received, "the same handles");
}

#[tokio::test]
async fn dead_letters_are_moved_back_by_a_task() {
    let gateway = Gateway::trusting().await;
    let (source, destination) =
        ("arn:aws:sqs:us-east-1:000000000000:failed", "arn:aws:sqs:us-east-1:000000000000:alerts");
    let body = json!({"QueueUrl": FAILED, "MessageBody": "again"});
    gateway.done("AmazonSQS.SendMessage", body).await;
    let allowed = json!({"redrivePermission": "byQueue", "sourceQueueArns": [destination]}).to_string();
    let set = json!({"QueueUrl": FAILED, "Attributes": {"RedriveAllowPolicy": allowed}});
    gateway.done("AmazonSQS.SetQueueAttributes", set).await;
    let start =
        json!({"SourceArn": source, "DestinationArn": destination, "MaxNumberOfMessagesPerSecond": 500});
    let started = gateway.done("AmazonSQS.StartMessageMoveTask", start).await;
    assert_eq!(receive(&gateway, json!({})).await["Body"], "again");
    let list = async || gateway.done("AmazonSQS.ListMessageMoveTasks", json!({"SourceArn": source})).await;
    let completed = async {
        loop {
            let task = list().await["Results"][0].take();
            if task["Status"] == "COMPLETED" {
                return task;
            }
            tokio::task::yield_now().await;
        }
    };
    let task = tokio::time::timeout(std::time::Duration::from_secs(10), completed).await.unwrap();
    assert_eq!(
        (&task["ApproximateNumberOfMessagesMoved"], &task["DestinationArn"]),
        (&json!(1), &json!(destination))
    );
    let answer = gateway.call("AmazonSQS.CancelMessageMoveTask", &started).await;
    assert_eq!(answer.code(), "UnsupportedOperation", "it is over");
}
