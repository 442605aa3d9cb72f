"""Does what a device may not, over MQTT 5. Prints the reason codes.

refused.py PORT CLIENT_ID AUTHORITY CERTIFICATE KEY
"""

import json

import device


def main():
    port, client_id, files, _ = device.arguments()
    client = device.make(client_id, files, "5")
    assert device.connect(client, port) == 0
    told = {"subscribe": device.subscribe(client, "plant/another/telemetry", 1)}
    answer = device.Answer("PUBACK")
    client.on_publish = lambda _client, _data, _id, reason, _properties: answer.give(reason)
    client.publish("plant/another/telemetry", "forged", qos=1)
    told["publish"] = answer.wait().value
    client.disconnect()
    client.loop_stop()

    another = device.make("another", files, "5")
    told["connect_as_another"] = device.connect(another, port)
    another.disconnect()
    another.loop_stop()
    print(json.dumps(told))


main()
