"""An ordinary Lambda handler that does what the event says, and notes each event in the file named by RECEIPTS."""

import json
import os
import time

STARTED = time.monotonic()


def handle(event, context):
    with open(os.environ["RECEIPTS"], "a", encoding="utf-8") as receipts:
        receipts.write(json.dumps({"event": event, "request": context.aws_request_id}) + "\n")
    do = event.get("do") if isinstance(event, dict) else None
    if do == "fail":
        raise ValueError("the handler says no")
    if do == "exit":
        os._exit(3)
    if do == "sleep":
        time.sleep(event["secs"])
    if do == "print":
        print(event["line"])
    if do == "context":
        custom = context.client_context.custom if context.client_context else None
        return {
            "request": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "remaining": context.get_remaining_time_in_millis(),
            "custom": custom,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "name": context.function_name,
            "process": os.getpid(),
        }
    return event
