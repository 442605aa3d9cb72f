"""A Lambda handler that rules ask: grades a temperature, and misbehaves when the event says so."""

import os
import time

CALLS = 0


def handle(event, context):
    global CALLS
    CALLS += 1
    wish = event.get("do")
    if wish == "sleep":
        time.sleep(event["secs"])
    if wish == "end":
        os._exit(3)
    if wish == "fail":
        raise ValueError("the handler says no")
    if wish == "much":
        return "x" * event["bytes"]
    grade = "hot" if event.get("temperature", 0) > 80 else "mild"
    return {"grade": grade, "call": CALLS, "sequence": event.get("sequence")}
