"""Publishes ten messages at each quality of service and hears them again. Prints what was acknowledged.

publish.py PORT CLIENT_ID AUTHORITY CERTIFICATE KEY VERSION
"""

import json
import threading

import device

COUNT = 30


def main():
    port, client_id, files, (version,) = device.arguments()
    topic = f"plant/{client_id}/telemetry"
    client = device.make(client_id, files, version)
    heard, all_heard = [], threading.Event()

    def hear(_client, _data, message):
        heard.append(json.loads(message.payload)["sequence"])
        if len(heard) >= COUNT:
            all_heard.set()

    client.on_message = hear
    reason = device.connect(client, port)
    assert reason == 0, f"not let in: {reason}"
    assert device.subscribe(client, topic, 2) == 2

    acknowledged = []
    for sequence in range(1, COUNT + 1):
        payload = json.dumps({"sequence": sequence, "temperature": 81.5, "device": client_id})
        sent = client.publish(topic, payload, qos=sequence % 3)
        sent.wait_for_publish(device.BOUND_SECS)
        if sent.is_published():
            acknowledged.append(sequence)
    all_heard.wait(device.BOUND_SECS)
    client.disconnect()
    client.loop_stop()
    print(json.dumps({"acknowledged": acknowledged, "heard": len(heard)}))


main()
