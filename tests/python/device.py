"""A device: paho-mqtt with a certificate. Shared by the scripts beside it."""

import ssl
import sys
import threading

import paho.mqtt.client as mqtt

# Nothing here takes longer on a busy machine.
BOUND_SECS = 30


def arguments():
    """Port, client id and the files of authority, certificate and key, and what the script itself is told."""
    port, client_id, authority, certificate, key, *more = sys.argv[1:]
    return int(port), client_id, (authority, certificate, key), more


def make(client_id, files, version):
    """A client that speaks `version` ("3.1.1" or "5")."""
    protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
    authority, certificate, key = files
    client.tls_set(ca_certs=authority, certfile=certificate, keyfile=key, cert_reqs=ssl.CERT_REQUIRED)
    return client


class Answer:
    """A value that a callback gives and the script waits for."""

    def __init__(self, what):
        self._what, self._ready, self._value = what, threading.Event(), None

    def give(self, value):
        self._value = value
        self._ready.set()

    def wait(self):
        if not self._ready.wait(BOUND_SECS):
            raise TimeoutError(f"waited {BOUND_SECS} s in vain for {self._what}")
        return self._value


def connect(client, port):
    """Connects and waits for CONNACK. Gives its reason code as a number."""
    answer = Answer("CONNACK")
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.give(reason)
    client.connect("localhost", port, keepalive=30)
    client.loop_start()
    reason = answer.wait()
    return reason.value


def subscribe(client, topic, qos):
    """Subscribes and waits for SUBACK. Gives its first reason code as a number."""
    answer = Answer("SUBACK")
    client.on_subscribe = lambda _client, _data, _id, reasons, _properties: answer.give(reasons)
    client.subscribe(topic, qos)
    return answer.wait()[0].value
