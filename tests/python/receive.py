"""Receives from a queue and reads a stream until COUNT messages are there. Prints them.

receive.py ORIGIN QUEUE STREAM COUNT
"""

import json
import sys
import time

import consumer


def receive_all(sqs, url, count):
    """Long polling until `count` messages came. Deletes them."""
    messages, deadline = [], time.monotonic() + consumer.BOUND_SECS
    while len(messages) < count and time.monotonic() < deadline:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"]
        )
        some = answer.get("Messages", [])
        if some:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(some)]
            deleted = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            assert len(deleted["Successful"]) == len(some), deleted
        messages += some
    return messages


def main():
    origin, queue, stream, count = sys.argv[1:]
    sqs, kinesis = consumer.client("sqs", origin), consumer.client("kinesis", origin)
    url = consumer.queue_url(sqs, queue)
    messages = receive_all(sqs, url, int(count))
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    records, deadline = [], time.monotonic() + consumer.BOUND_SECS
    while len(records) < int(count) and time.monotonic() < deadline:
        records = [r for shard in consumer.shards(kinesis, stream) for r in consumer.read_shard(kinesis, stream, shard)]
    print(
        json.dumps(
            {
                "queue": [json.loads(message["Body"]) for message in messages],
                "ids": [message["MessageAttributes"]["eventId"]["StringValue"] for message in messages],
                "stream": [json.loads(record["Data"]) for record in records],
                "remaining": attributes["ApproximateNumberOfMessages"],
            }
        )
    )


main()
