"""A consumer: boto3 with the endpoint of the gateway. Shared by the scripts beside it."""

import time

import boto3
from botocore.config import Config

# Nothing here takes longer on a busy machine.
BOUND_SECS = 30


def client(service, origin, key_id="dummy", secret="dummy"):
    """A client of `service` ("sqs" or "kinesis") that talks to the gateway."""
    return boto3.client(
        service,
        endpoint_url=origin,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(proxies={}, retries={"max_attempts": 1}),
    )


def queue_url(sqs, queue):
    return sqs.get_queue_url(QueueName=queue)["QueueUrl"]


def read_shard(kinesis, stream, shard, kind="TRIM_HORIZON", **more):
    """Everything in a shard from there, up to its end."""
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more
    )["ShardIterator"]
    records, deadline = [], time.monotonic() + BOUND_SECS
    while time.monotonic() < deadline:
        page = kinesis.get_records(ShardIterator=iterator, Limit=100)
        records += page["Records"]
        iterator = page["NextShardIterator"]
        if not page["Records"] and page["MillisBehindLatest"] == 0:
            return records
    raise TimeoutError(f"shard {shard} has no end")


def shards(kinesis, stream):
    return [shard["ShardId"] for shard in kinesis.list_shards(StreamName=stream)["Shards"]]
