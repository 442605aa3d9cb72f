//! A queue with the three operations that reading back needs, over a very small HTTP server.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Bodies with their event ids, which the queue and the stream both hand out.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) messages: VecDeque<(String, String)>,
    /// Requests that carried a signature.
    pub(super) signed: u64,
    pub(super) deleted: u64,
}

/// Serves until the test's runtime ends; the result is its URL.
pub(super) async fn start(contents: Arc<Mutex<Contents>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let contents = Arc::clone(&contents);
            tokio::spawn(async move { serve(stream, &contents).await });
        }
    });
    format!("http://127.0.0.1:{port}")
}

async fn serve(stream: TcpStream, contents: &Mutex<Contents>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut operation) = (0, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-amz-target" => value.clone_into(&mut operation),
                "authorization" => contents.lock().signed += 1,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let answer = answer(&operation, &body, &mut contents.lock()).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).await.unwrap();
    }
}

fn answer(operation: &str, body: &Value, contents: &mut Contents) -> Value {
    let mut take = |count: usize| {
        let count = count.min(contents.messages.len());
        contents.messages.drain(..count).collect::<Vec<_>>()
    };
    match operation {
        "AmazonSQS.ReceiveMessage" => {
            let count = body["MaxNumberOfMessages"].as_u64().unwrap() as usize;
            let message = |(body, id): (String, String)| {
                json!({"Body": body, "ReceiptHandle": id, "MessageAttributes":
                    {"eventId": {"DataType": "String", "StringValue": id}}})
            };
            json!({"Messages": take(count).into_iter().map(message).collect::<Vec<_>>()})
        }
        "AmazonSQS.DeleteMessageBatch" => {
            contents.deleted += body["Entries"].as_array().unwrap().len() as u64;
            json!({"Successful": [], "Failed": []})
        }
        "Kinesis_20131202.ListShards" => json!({"Shards": [{"ShardId": "shardId-000000000000"}]}),
        "Kinesis_20131202.GetShardIterator" => {
            assert_eq!(body["ShardIteratorType"], "TRIM_HORIZON");
            json!({"ShardIterator": "0"})
        }
        "Kinesis_20131202.GetRecords" => {
            let record = |(body, _): (String, String)| json!({"Data": STANDARD.encode(body)});
            let records: Vec<_> = take(7).into_iter().map(record).collect();
            json!({"Records": records, "NextShardIterator": "1"})
        }
        other => panic!("unexpected operation `{other}`"),
    }
}
