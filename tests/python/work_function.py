"""Works a function as programs work Lambda, with every request signed. Prints what held.

work_function.py ORIGIN FUNCTION QUEUE KEY_ID SECRET

The function has two instances and 2 s for each call; documents about its queued invocations go to the queue, its errors are tried again once.
"""

import base64
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

import consumer


def main():
    origin, name, queue, key_id, secret = sys.argv[1:]
    awslambda = consumer.client("lambda", origin, key_id, secret)
    sqs = consumer.client("sqs", origin, key_id, secret)
    held = {}

    def invoke(event, **more):
        return awslambda.invoke(FunctionName=name, Payload=json.dumps(event), **more)

    def refused(code, call):
        try:
            call()
            return False
        except ClientError as error:
            return error.response["Error"]["Code"] == code

    answer = invoke({"sensor": "ü"})
    held["answered"] = answer["StatusCode"] == 200 and json.load(answer["Payload"]) == {"sensor": "ü"}
    held["no error"] = "FunctionError" not in answer and answer["ExecutedVersion"] == "$LATEST"

    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer = invoke({"do": "context"}, ClientContext=context)
    seen = json.load(answer["Payload"])
    held["request id"] = seen["request"] == answer["ResponseMetadata"]["RequestId"]
    held["arn"] = seen["arn"].endswith(f":function:{name}") and seen["name"] == name
    held["deadline"] = 0 < seen["remaining"] <= 2000
    held["client context"] = seen["custom"] == {"k": "v"}
    held["trace"] = seen["trace"].startswith("Root=1-")

    answer = invoke({"do": "print", "line": "kiln 7 is hot"}, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    held["log"] = "\nkiln 7 is hot\n" in log and log.startswith("START RequestId: ")

    answer = invoke({"do": "fail"})
    error = json.load(answer["Payload"])
    held["handler error"] = answer["FunctionError"] == "Unhandled" and error["errorType"] == "ValueError"
    held["stack trace"] = bool(error["stackTrace"])
    answer = invoke({"do": "sleep", "secs": 30})
    held["timed out"] = "Task timed out after 2.00 seconds" in json.load(answer["Payload"])["errorMessage"]
    answer = invoke({"do": "exit"})
    held["crashed"] = json.load(answer["Payload"])["errorType"] == "Runtime.ExitError"

    # After the crash the program rests for a moment; both instances are to be there.
    deadline = time.monotonic() + consumer.BOUND_SECS
    answers = [{"FunctionError": "not called yet"}]
    while any("FunctionError" in answer for answer in answers) and time.monotonic() < deadline:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(invoke, [{"do": "sleep", "secs": 0.2}] * 2))
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(invoke, {"do": "sleep", "secs": 1}) for _ in range(8)]
        codes = [call.exception() for call in calls]
    throttled = [error.response["Error"]["Code"] for error in codes if error]
    # Some may have found an instance when the client tried again.
    held["throttled"] = set(throttled) == {"TooManyRequestsException"} and len(throttled) <= 6

    held["dry run"] = invoke({}, InvocationType="DryRun")["StatusCode"] == 204
    held["unknown"] = refused("ResourceNotFoundException", lambda: awslambda.invoke(FunctionName="no-such-function"))
    held["no json"] = refused(
        "InvalidRequestContentException", lambda: awslambda.invoke(FunctionName=name, Payload=b"{")
    )
    stranger = consumer.client("lambda", origin, key_id, "another secret")
    held["signature"] = refused("InvalidSignatureException", stranger.list_functions) or refused(
        "SignatureDoesNotMatch", stranger.list_functions
    )

    url = consumer.queue_url(sqs, queue)
    told = {}
    asked = {}
    for event in [{"n": 1}, {"do": "fail"}]:
        accepted = invoke(event, InvocationType="Event")
        held["accepted"] = held.get("accepted", True) and accepted["StatusCode"] == 202
        asked[accepted["ResponseMetadata"]["RequestId"]] = event
    while len(told) < 2:
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", [])
        if not messages:
            break
        for message in messages:
            document = json.loads(message["Body"])
            told[document["requestContext"]["condition"]] = document
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    held["told"] = {
        document["requestContext"]["requestId"]: document["requestPayload"] for document in told.values()
    } == asked
    failed = told.get("RetriesExhausted", {"requestContext": {}, "responsePayload": {}})
    held["tried twice"] = failed["requestContext"].get("approximateInvokeCount") == 2
    held["told why"] = failed["responsePayload"].get("errorMessage") == "the handler says no"
    held["told success"] = told.get("Success", {}).get("responsePayload") == {"n": 1}

    listed = awslambda.list_functions()["Functions"]
    held["listed"] = [function["FunctionName"] for function in listed] == [name]
    function = awslambda.get_function(FunctionName=name)
    held["described"] = function["Configuration"]["Timeout"] == 2
    held["concurrency"] = function["Concurrency"]["ReservedConcurrentExecutions"] == 2
    held["by arn"] = awslambda.get_function_configuration(FunctionName=listed[0]["FunctionArn"])["State"] == "Active"
    config = awslambda.get_function_event_invoke_config(FunctionName=name)
    held["event invoke config"] = config["MaximumRetryAttempts"] == 1
    print(json.dumps(held))


main()
