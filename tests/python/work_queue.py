"""Works a queue as programs work SQS. Prints what held.

work_queue.py ORIGIN QUEUE
"""

import json
import sys

import consumer


def main():
    origin, queue = sys.argv[1:]
    sqs = consumer.client("sqs", origin)
    held = {}
    url = consumer.queue_url(sqs, queue)
    held["listed"] = url in sqs.list_queues()["QueueUrls"]

    sent = sqs.send_message(
        QueueUrl=url, MessageBody="one", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}}
    )
    batch = [{"Id": str(i), "MessageBody": f"batch {i}"} for i in range(5)]
    held["sent in a batch"] = len(sqs.send_message_batch(QueueUrl=url, Entries=batch)["Successful"]) == 5

    def receive(**more):
        return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MessageAttributeNames=["All"], **more).get(
            "Messages", []
        )

    first = receive(MaxNumberOfMessages=1, AttributeNames=["All"])[0]
    held["the body arrives"] = first["Body"] == "one"
    held["the id is the one given"] = first["MessageId"] == sent["MessageId"]
    held["attributes arrive"] = first["MessageAttributes"]["a"]["StringValue"] == "b"
    held["first receive"] = first["Attributes"]["ApproximateReceiveCount"] == "1"

    rest = receive(MaxNumberOfMessages=10)
    held["in flight is not seen"] = sorted(m["Body"] for m in rest) == [f"batch {i}" for i in range(5)]
    held["empty now"] = receive(MaxNumberOfMessages=10) == []

    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    again = receive(AttributeNames=["All"])[0]
    held["visible again"] = again["Body"] == "one"
    held["second receive"] = again["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(rest)]
    held["deleted in a batch"] = len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 5
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    held["nothing is left"] = (
        attributes["ApproximateNumberOfMessages"] == "0" and attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
    )

    sqs.send_message(QueueUrl=url, MessageBody="to be purged")
    sqs.purge_queue(QueueUrl=url)
    held["purged"] = receive() == []
    try:
        sqs.get_queue_url(QueueName="no-such-queue")
        held["an unknown queue is an error"] = False
    except sqs.exceptions.QueueDoesNotExist:
        held["an unknown queue is an error"] = True
    print(json.dumps(held))


main()
