"""Works a FIFO queue as programs work SQS, signed, in two halves with whatever lies between. Prints what held.

work_fifo.py before|after ORIGIN QUEUE DEAD_LETTER_QUEUE KEY_ID SECRET FILE
"""

import json
import sys

from botocore.exceptions import ClientError

import consumer


def error_of(call, **arguments):
    try:
        call(**arguments)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"]


class Work:
    def __init__(self, origin, queue, failed, key_id, secret):
        self.sqs = consumer.client("sqs", origin, key_id, secret)
        self.url = consumer.queue_url(self.sqs, queue)
        self.failed = consumer.queue_url(self.sqs, failed)

    def send(self, group, body, **more):
        sent = self.sqs.send_message(QueueUrl=self.url, MessageGroupId=group, MessageBody=body, **more)
        return [sent["MessageId"], sent["SequenceNumber"]]

    def receive(self, url=None, **more):
        arguments = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 2, "AttributeNames": ["All"], **more}
        return self.sqs.receive_message(QueueUrl=url or self.url, **arguments).get("Messages", [])

    def delete(self, messages):
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
        return self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)


def before(work, file):
    held = {}
    attributes = work.sqs.get_queue_attributes(QueueUrl=work.url, AttributeNames=["All"])["Attributes"]
    held["it says that it is a FIFO queue"] = attributes["FifoQueue"] == "true"
    allowed = work.sqs.get_queue_attributes(QueueUrl=work.failed, AttributeNames=["RedriveAllowPolicy"])["Attributes"]
    held["who may send dead letters"] = json.loads(allowed["RedriveAllowPolicy"])["redrivePermission"] == "byQueue"

    sent = {body: work.send(group, body) for group, body in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")]}
    numbers = [int(number) for _, number in sent.values()]
    held["sequence numbers rise"] = numbers == sorted(set(numbers))
    held["a duplicate is the original"] = work.send("b", "a1") == sent["a1"]
    entries = [
        {"Id": "1", "MessageGroupId": "c", "MessageBody": "c1"},
        {"Id": "2", "MessageBody": "no group"},
        {"Id": "3", "MessageGroupId": "c", "MessageBody": "c2", "MessageDeduplicationId": "own"},
    ]
    batch = work.sqs.send_message_batch(QueueUrl=work.url, Entries=entries)
    held["a batch takes what it can"] = [each["Id"] for each in batch["Successful"]] == ["1", "3"]
    held["and says what it can't"] = [each["Id"] for each in batch["Failed"]] == ["2"]

    first = work.receive(MaxNumberOfMessages=2, ReceiveRequestAttemptId="try")
    again = work.receive(MaxNumberOfMessages=2, ReceiveRequestAttemptId="try")
    held["order in a group"] = [m["Body"] for m in first] == ["a1", "a2"]
    held["a receive can be repeated"] = [m["ReceiptHandle"] for m in first] == [m["ReceiptHandle"] for m in again]
    rest = work.receive()
    held["a group in flight is blocked"] = [m["Body"] for m in rest] == ["b1", "c1", "c2"]
    held["attributes"] = rest[2]["Attributes"]["MessageDeduplicationId"] == "own"
    held["deleted"] = len(work.delete(rest + first[:1])["Successful"]) == 4
    work.sqs.change_message_visibility(QueueUrl=work.url, ReceiptHandle=first[1]["ReceiptHandle"], VisibilityTimeout=0)
    second = work.receive()
    held["what came back is first"] = [m["Body"] for m in second] == ["a2", "a3"]
    work.delete(second[1:])
    # The second receive was the last that the redrive policy allows.
    work.sqs.change_message_visibility(QueueUrl=work.url, ReceiptHandle=second[0]["ReceiptHandle"], VisibilityTimeout=0)

    held["no group is an error"] = (
        error_of(work.sqs.send_message, QueueUrl=work.url, MessageBody="x") == "MissingParameter"
    )
    held["no deduplication id is an error"] = (
        error_of(work.sqs.send_message, QueueUrl=work.failed, MessageBody="x", MessageGroupId="a")
        == "InvalidParameterValue"
    )
    held["a name without .fifo is an error"] = (
        error_of(work.sqs.create_queue, QueueName="plain", Attributes={"FifoQueue": "true"}) == "InvalidParameterValue"
    )
    with open(file, "w") as out:
        json.dump(sent, out)
    return held


def after(work, file):
    held = {}
    with open(file) as kept:
        sent = json.load(kept)
    held["known after a kill, though deleted"] = work.send("a", "a1") == sent["a1"]
    moved = work.receive(work.failed, WaitTimeSeconds=20)
    held["it has moved"] = [m["Body"] for m in moved] == ["a2"]
    held["under its id"] = moved[0]["MessageId"] == sent["a2"][0]
    held["from where"] = moved[0]["Attributes"]["DeadLetterQueueSourceArn"].endswith(":orders.fifo")
    work.sqs.change_message_visibility(
        QueueUrl=work.failed, ReceiptHandle=moved[0]["ReceiptHandle"], VisibilityTimeout=0
    )
    arn = work.sqs.get_queue_attributes(QueueUrl=work.failed, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    handle = work.sqs.start_message_move_task(SourceArn=arn)["TaskHandle"]
    back = work.receive(WaitTimeSeconds=20)
    held["moved back"] = [(m["Body"], m["Attributes"]["ApproximateReceiveCount"]) for m in back] == [("a2", "1")]
    held["nothing else came"] = len(work.delete(back)["Successful"]) == 1 and work.receive() == []
    task = work.sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]
    held["the task is over"] = (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    held["and can't be cancelled"] = (
        error_of(work.sqs.cancel_message_move_task, TaskHandle=handle) == "AWS.SimpleQueueService.UnsupportedOperation"
    )
    return held


def main():
    phase, origin, queue, failed, key_id, secret, file = sys.argv[1:]
    work = Work(origin, queue, failed, key_id, secret)
    print(json.dumps(before(work, file) if phase == "before" else after(work, file)))


main()
