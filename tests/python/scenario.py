"""What every client library has to show, with paho-mqtt. Prints what it counted.

scenario.py PORT CLIENT_ID AUTHORITY CERTIFICATE KEY VERSION TRANSPORT PHASE

PHASE is `live`, `leave`, `return` or `die`; tests/src/scenario.rs says what is expected of each. TRANSPORT is `tcp` or `websockets`.
"""

import collections
import json
import os
import ssl
import subprocess
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import device

PORT, CLIENT_ID, FILES, (VERSION, TRANSPORT, PHASE) = device.arguments()
COUNT = 10
END = "end"


class Client:
    """One client and what it heard."""

    def __init__(self, name, keep_session=False):
        is_newer = VERSION == "5"
        more = {} if is_newer else {"clean_session": not keep_session}
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"{CLIENT_ID}-{name}",
            protocol=mqtt.MQTTv5 if is_newer else mqtt.MQTTv311,
            transport=TRANSPORT,
            reconnect_on_failure=False,
            **more,
        )
        authority, certificate, key = FILES
        self._client.tls_set(ca_certs=authority, certfile=certificate, keyfile=key, cert_reqs=ssl.CERT_REQUIRED)
        if TRANSPORT == "websockets":
            self._client.ws_set_options(path="/mqtt")
        self._connecting = {}
        if is_newer:
            self._connecting["clean_start"] = not keep_session
            if keep_session:
                properties = Properties(PacketTypes.CONNECT)
                properties.SessionExpiryInterval = 3600
                self._connecting["properties"] = properties
        self.heard, self._changed = [], threading.Condition()
        self._client.on_message = self._hear

    def _hear(self, _client, _data, message):
        with self._changed:
            self.heard.append((message.topic, message.payload.decode(), message.qos, message.retain))
            self._changed.notify_all()

    def will(self, topic, payload):
        self._client.will_set(topic, payload, qos=1)
        return self

    def connect(self):
        """Whether the session was there already."""
        answer = device.Answer("CONNACK")
        self._client.on_connect = lambda _client, _data, flags, reason, _properties: answer.give((flags, reason))
        self._client.connect("localhost", PORT, keepalive=30, **self._connecting)
        self._client.loop_start()
        flags, reason = answer.wait()
        assert reason.value == 0, f"not let in: {reason}"
        return flags.session_present

    def subscribe(self, topic, qos):
        assert device.subscribe(self._client, topic, qos) == qos

    def publish(self, topic, payload, qos, retain=False):
        sent = self._client.publish(topic, payload, qos, retain)
        sent.wait_for_publish(device.BOUND_SECS)
        assert sent.is_published(), f"{payload} was not acknowledged"

    def wait_for(self, wanted, what):
        with self._changed:
            assert self._changed.wait_for(lambda: wanted(self.heard), device.BOUND_SECS), f"{what}: {self.heard}"

    def wait_for_the_end(self):
        """Until the last message is heard, sent at QoS 2 after all others."""
        self.wait_for(lambda heard: any(payload == END for _, payload, _, _ in heard), "the last message")
        return [message for message in self.heard if message[1] != END]

    def leave(self):
        self._client.disconnect()
        self._client.loop_stop()


def counted(messages):
    """How many different ones at each quality of service, and how many came again."""
    different = set(messages)
    by_qos = collections.Counter(str(qos) for _, _, qos, _ in different)
    return dict(by_qos), len(messages) - len(different)


def both_ways(report):
    client = Client("both")
    client.connect()
    client.subscribe("scenario/both/#", 2)
    for qos in (0, 1, 2):
        for number in range(COUNT):
            client.publish("scenario/both/ways", f"{qos}-{number}", qos)
    client.publish("scenario/both/ways", END, 2)
    report["heard"], report["repeated"] = counted(client.wait_for_the_end())
    client.leave()


def retained(report):
    publisher = Client("retainer")
    publisher.connect()

    def hear(name):
        subscriber = Client(name)
        subscriber.connect()
        subscriber.subscribe("scenario/retained", 2)
        publisher.publish("scenario/retained", END, 2)
        heard = [message for message in subscriber.wait_for_the_end() if message[3]]
        subscriber.leave()
        return len(heard)

    publisher.publish("scenario/retained", "kept", 1, retain=True)
    report["retained"] = hear("early")
    publisher.publish("scenario/retained", "", 1, retain=True)
    report["retained_after_clearing"] = hear("late")
    publisher.leave()


def will(report):
    client = Client("witness")
    client.connect()
    client.subscribe("scenario/will", 2)
    subprocess.run([sys.executable, *sys.argv[:-1], "die"], check=True, timeout=device.BOUND_SECS)
    client.wait_for(lambda heard: heard, "the will")
    client.publish("scenario/will", END, 2)
    report["will"] = len(client.wait_for_the_end())
    client.leave()


def die():
    client = Client("dying").will("scenario/will", "gone")
    client.connect()
    # No DISCONNECT: the system closes the socket.
    os._exit(0)


def shared(report):
    members = [Client("member-1"), Client("member-2")]
    for member in members:
        member.connect()
        member.subscribe("$share/group/scenario/shared", 2)
    publisher = Client("distributor")
    publisher.connect()
    sent = {f"{qos}-{number}" for qos in (0, 1, 2) for number in range(COUNT)}
    for payload in sorted(sent):
        publisher.publish("scenario/shared", payload, int(payload[0]))
    # One end for each, by a subscription of its own.
    for member in members:
        member.subscribe("scenario/shared/end", 2)
    publisher.publish("scenario/shared/end", END, 2)
    heard = [message for member in members for message in member.wait_for_the_end()]
    report["shared"] = len(heard) if {message[1] for message in heard} == sent else heard
    report["members_served"] = sum(1 for member in members if len(member.heard) > 1)
    for client in [publisher, *members]:
        client.leave()


def leave(report):
    absent = Client("absent", keep_session=True)
    absent.connect()
    absent.subscribe("scenario/absent", 2)
    absent.leave()
    publisher = Client("publisher")
    publisher.connect()
    for qos in (1, 2):
        for number in range(COUNT):
            publisher.publish("scenario/absent", f"{qos}-{number}", qos)
    publisher.leave()
    report["published"] = 2 * COUNT


def come_back(report):
    client = Client("absent", keep_session=True)
    report["session_present"] = client.connect()
    client.publish("scenario/absent", END, 2)
    report["received"], report["repeated"] = counted(client.wait_for_the_end())
    client.leave()


PHASES = {"live": [both_ways, retained, will, shared], "leave": [leave], "return": [come_back]}

if PHASE == "die":
    die()
REPORT = {}
for step in PHASES[PHASE]:
    step(REPORT)
print(json.dumps(REPORT))
