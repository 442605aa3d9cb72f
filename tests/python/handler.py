"""An ordinary Lambda handler: notes each event in the file named by RECEIPTS."""

import json
import os


def handle(event, context):
    # One write, so that two instances do not mix their lines.
    with open(os.environ["RECEIPTS"], "a", encoding="utf-8") as receipts:
        receipts.write(json.dumps({**event, "request": context.aws_request_id}) + "\n")
    return {"received": event.get("sequence")}
