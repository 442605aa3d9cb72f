"""Works a stream as programs work Kinesis. Prints what held.

work_stream.py ORIGIN STREAM
"""

import json
import sys

import consumer


def main():
    origin, stream = sys.argv[1:]
    kinesis = consumer.client("kinesis", origin)
    held = {"listed": stream in kinesis.list_streams()["StreamNames"]}
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    held["active"] = summary["StreamStatus"] == "ACTIVE"
    shards = consumer.shards(kinesis, stream)
    held["two shards"] = len(shards) == 2 and summary["OpenShardCount"] == 2
    description = kinesis.describe_stream(StreamName=stream)["StreamDescription"]
    held["described"] = [shard["ShardId"] for shard in description["Shards"]] == shards

    one = kinesis.put_record(StreamName=stream, Data=b"0", PartitionKey="kiln-1")
    held["a shard of the stream"] = one["ShardId"] in shards
    records = [{"Data": str(number).encode(), "PartitionKey": "kiln-1"} for number in range(1, 20)]
    put = kinesis.put_records(StreamName=stream, Records=records)
    held["none failed"] = put["FailedRecordCount"] == 0
    held["one key, one shard"] = {record["ShardId"] for record in put["Records"]} == {one["ShardId"]}

    shard = one["ShardId"]
    read = consumer.read_shard(kinesis, stream, shard)
    held["in order"] = [record["Data"] for record in read] == [str(number).encode() for number in range(20)]
    numbers = [int(record["SequenceNumber"]) for record in read]
    held["sequence numbers grow"] = numbers == sorted(set(numbers))

    def read_from(kind, **more):
        return [int(record["Data"]) for record in consumer.read_shard(kinesis, stream, shard, kind, **more)]

    at = read[10]["SequenceNumber"]
    held["at a sequence number"] = read_from("AT_SEQUENCE_NUMBER", StartingSequenceNumber=at) == list(range(10, 20))
    held["after a sequence number"] = read_from("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=at) == list(range(11, 20))
    held["at a time"] = read_from("AT_TIMESTAMP", Timestamp=read[0]["ApproximateArrivalTimestamp"]) == list(range(20))
    held["latest"] = read_from("LATEST") == []
    try:
        kinesis.describe_stream_summary(StreamName="no-such-stream")
        held["an unknown stream is an error"] = False
    except kinesis.exceptions.ResourceNotFoundException:
        held["an unknown stream is an error"] = True
    print(json.dumps(held))


main()
