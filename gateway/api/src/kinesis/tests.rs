//! The protocol from outside: requests and answers as SDKs write and read them.

use serde_json::{Value, json};

use crate::fixture::Gateway;

/// Reads from an iterator until `count` records came.
async fn read(gateway: &Gateway, mut iterator: Value, count: usize) -> Vec<Value> {
    let mut records = Vec::new();
    let reading = async {
        while records.len() < count {
            let mut answer =
                gateway.done("Kinesis_20131202.GetRecords", json!({"ShardIterator": iterator})).await;
            records.append(answer["Records"].as_array_mut().unwrap());
            iterator = answer["NextShardIterator"].take();
            // An answer of nothing waits for nothing, and the bus has to have its turn.
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), reading).await.unwrap();
    records
}

async fn iterator(gateway: &Gateway, shard: &Value, start: Value) -> Value {
    let mut request = json!({"StreamName": "telemetry", "ShardId": shard});
    request.as_object_mut().unwrap().extend(start.as_object().unwrap().clone());
    gateway.done("Kinesis_20131202.GetShardIterator", request).await["ShardIterator"].take()
}

#[tokio::test]
async fn streams_are_described() {
    let gateway = Gateway::trusting().await;
    let listed = gateway.done("Kinesis_20131202.ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["telemetry"]));
    assert_eq!(listed["HasMoreStreams"], false);
    let described = gateway.done("Kinesis_20131202.DescribeStream", json!({"StreamName": "telemetry"})).await;
    let description = &described["StreamDescription"];
    assert_eq!(description["StreamARN"], "arn:aws:kinesis:us-east-1:000000000000:stream/telemetry");
    assert_eq!(description["StreamStatus"], "ACTIVE");
    assert_eq!(description["RetentionPeriodHours"], 24);
    assert_eq!(description["HasMoreShards"], false);
    let shards = description["Shards"].as_array().unwrap();
    assert_eq!(shards[0]["HashKeyRange"]["StartingHashKey"], "0");
    assert_eq!(shards[1]["HashKeyRange"]["EndingHashKey"], u128::MAX.to_string());
    let by_arn = json!({"StreamARN": description["StreamARN"]});
    let summary = gateway.done("Kinesis_20131202.DescribeStreamSummary", by_arn).await;
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 2);
    let page = json!({"StreamName": "telemetry", "MaxResults": 1});
    let page = gateway.done("Kinesis_20131202.ListShards", page).await;
    assert_eq!(page["Shards"][0]["ShardId"], "shardId-000000000000");
    let rest = gateway.done("Kinesis_20131202.ListShards", json!({"NextToken": page["NextToken"]})).await;
    assert_eq!(rest["Shards"][0]["ShardId"], "shardId-000000000001");
    assert_eq!(rest["NextToken"], Value::Null);
}

#[tokio::test]
async fn records_are_put_and_read_from_every_kind_of_iterator() {
    let gateway = Gateway::trusting().await;
    let put = |data: &str| json!({"StreamName": "telemetry", "Data": data, "PartitionKey": "k"});
    let first = gateway.done("Kinesis_20131202.PutRecord", put("YQ==")).await;
    let shard = &first["ShardId"];
    let latest = iterator(&gateway, shard, json!({"ShardIteratorType": "LATEST"})).await;
    let second = gateway.done("Kinesis_20131202.PutRecord", put("Yg==")).await;
    let number = |answer: &Value| answer["SequenceNumber"].clone();
    assert!(number(&first).as_str() < number(&second).as_str());
    let cases = [
        (json!({"ShardIteratorType": "TRIM_HORIZON"}), vec!["YQ==", "Yg=="]),
        (json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1.5}), vec!["YQ==", "Yg=="]),
        (
            json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number(&second)}),
            vec!["Yg=="],
        ),
        (
            json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": number(&first)}),
            vec!["Yg=="],
        ),
    ];
    for (start, expected) in cases {
        let from = iterator(&gateway, shard, start.clone()).await;
        let records = read(&gateway, from, expected.len()).await;
        let data: Vec<&str> = records.iter().map(|record| record["Data"].as_str().unwrap()).collect();
        assert_eq!(data, expected, "{start}");
        assert_eq!(records[0]["PartitionKey"], "k");
        assert!(records[0]["ApproximateArrivalTimestamp"].as_f64().unwrap() > 1.7e9);
    }
    assert_eq!(read(&gateway, latest, 1).await[0]["Data"], "Yg==");
}

#[tokio::test]
async fn records_are_put_together_and_fail_one_by_one() {
    let gateway = Gateway::trusting().await;
    let request = json!({"StreamName": "telemetry", "Records": [
        {"Data": "YQ==", "PartitionKey": "k", "ExplicitHashKey": "0"},
        {"Data": "Yg==", "PartitionKey": ""},
        {"Data": "Yw==", "PartitionKey": "k", "ExplicitHashKey": u128::MAX.to_string()},
    ]});
    let answer = gateway.done("Kinesis_20131202.PutRecords", request).await;
    assert_eq!(answer["FailedRecordCount"], 1);
    assert_eq!(answer["Records"][0]["ShardId"], "shardId-000000000000");
    assert_eq!(answer["Records"][1]["ErrorCode"], "InvalidArgumentException");
    assert_eq!(answer["Records"][2]["ShardId"], "shardId-000000000001");
}

#[tokio::test]
async fn streams_are_made_changed_tagged_and_deleted() {
    let gateway = Gateway::trusting().await;
    gateway.done("Kinesis_20131202.CreateStream", json!({"StreamName": "made", "ShardCount": 3})).await;
    let name = json!({"StreamName": "made"});
    let more = json!({"StreamName": "made", "RetentionPeriodHours": 48});
    gateway.done("Kinesis_20131202.IncreaseStreamRetentionPeriod", more.clone()).await;
    let less = json!({"StreamName": "made", "RetentionPeriodHours": 72});
    let refused = gateway.call("Kinesis_20131202.DecreaseStreamRetentionPeriod", &less).await;
    assert_eq!(refused.code(), "InvalidArgumentException");
    gateway.done("Kinesis_20131202.AddTagsToStream", json!({"StreamName": "made", "Tags": {"a": "b"}})).await;
    let tags = gateway.done("Kinesis_20131202.ListTagsForStream", name.clone()).await;
    assert_eq!(tags, json!({"Tags": [{"Key": "a", "Value": "b"}], "HasMoreTags": false}));
    gateway.done("Kinesis_20131202.DeleteStream", name.clone()).await;
    assert_eq!(
        gateway.call("Kinesis_20131202.DescribeStream", &name).await.code(),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn refusals_have_the_names_that_sdks_know() {
    let gateway = Gateway::trusting().await;
    let many: Vec<Value> = (0..501).map(|_| json!({"Data": "", "PartitionKey": "k"})).collect();
    let shard = "shardId-000000000000";
    let cases = [
        ("DescribeStream", json!({"StreamName": "telemtry"}), "ResourceNotFoundException"),
        ("DescribeStream", json!({}), "ValidationException"),
        (
            "DescribeStream",
            json!({"StreamARN": "arn:aws:kinesis:us-east-1:1:stream/telemetry"}),
            "ResourceNotFoundException",
        ),
        ("CreateStream", json!({"StreamName": "telemetry", "ShardCount": 1}), "ResourceInUseException"),
        ("CreateStream", json!({"StreamName": "a b", "ShardCount": 1}), "ValidationException"),
        ("CreateStream", json!({"StreamName": "s", "ShardCount": 0}), "InvalidArgumentException"),
        ("DeleteStream", json!({"StreamName": "telemetry"}), "AccessDeniedException"),
        (
            "PutRecord",
            json!({"StreamName": "telemetry", "Data": "?", "PartitionKey": "k"}),
            "SerializationException",
        ),
        ("PutRecord", json!({"StreamName": "telemetry", "Data": "YQ=="}), "ValidationException"),
        (
            "PutRecord",
            json!({"StreamName": "telemetry", "Data": "YQ==", "PartitionKey": "k", "ExplicitHashKey": "-1"}),
            "InvalidArgumentException",
        ),
        ("PutRecords", json!({"StreamName": "telemetry", "Records": []}), "InvalidArgumentException"),
        ("PutRecords", json!({"StreamName": "telemetry", "Records": many}), "InvalidArgumentException"),
        (
            "GetShardIterator",
            json!({"StreamName": "telemetry", "ShardId": "shardId-000000000002", "ShardIteratorType": "LATEST"}),
            "ResourceNotFoundException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": "telemetry", "ShardId": shard, "ShardIteratorType": "NEWEST"}),
            "InvalidArgumentException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": "telemetry", "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 9e11}),
            "InvalidArgumentException",
        ),
        (
            "GetShardIterator",
            json!({"StreamName": "telemetry", "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "5"}),
            "InvalidArgumentException",
        ),
        ("GetRecords", json!({"ShardIterator": "made-up"}), "InvalidArgumentException"),
        ("GetRecords", json!({"ShardIterator": "x", "Limit": 10_001}), "InvalidArgumentException"),
        ("SplitShard", json!({"StreamName": "telemetry"}), "InvalidArgumentException"),
        ("SubscribeToShard", json!({}), "InvalidArgumentException"),
    ];
    for (operation, request, code) in cases {
        let answer = gateway.call(&format!("Kinesis_20131202.{operation}"), &request).await;
        let what = format!("{operation} {}", request.to_string().chars().take(120).collect::<String>());
        assert_eq!((answer.status.as_u16(), answer.code()), (400, code), "{what}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/x-amz-json-1.1");
    }
}
