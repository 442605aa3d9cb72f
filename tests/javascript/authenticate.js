// A user with MQTT.js: enhanced authentication with SCRAM-SHA-256, and again on the same connection. Prints what the server said.
//
// authenticate.js PORT USER PASSWORD

import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import mqtt from "mqtt";

const [port, user, password] = process.argv.slice(2);
const BOUND_MS = 30_000;
const METHOD = "SCRAM-SHA-256";
const CONTINUE = 0x18;
const AGAIN = 0x19;

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

// One exchange, by RFC 5802.
class Scram {
  bare = `n=${user},r=${randomBytes(18).toString("base64")}`;

  first() {
    return Buffer.from(`n,,${this.bare}`);
  }

  last(challenge) {
    const field = (key) => challenge.split(",").find((part) => part.startsWith(key)).slice(key.length);
    const salted = pbkdf2Sync(password, Buffer.from(field("s="), "base64"), Number(field("i=")), 32, "sha256");
    const withoutProof = `c=biws,r=${field("r=")}`;
    const signed = `${this.bare},${challenge},${withoutProof}`;
    const clientKey = hmac(salted, "Client Key");
    const signature = hmac(createHash("sha256").update(clientKey).digest(), signed);
    const proof = clientKey.map((byte, at) => byte ^ signature[at]).toString("base64");
    this.expected = `v=${hmac(hmac(salted, "Server Key"), signed).toString("base64")}`;
    return Buffer.from(`${withoutProof},p=${proof}`);
  }

  // Whether the server knows the password too.
  isServer(properties) {
    return properties?.authenticationData?.toString() === this.expected;
  }
}

function within(promise, what) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`waited ${BOUND_MS} ms in vain for ${what}`)), BOUND_MS).unref();
  });
  return Promise.race([promise, late]);
}

const auth = (reasonCode, authenticationData) => ({
  cmd: "auth",
  reasonCode,
  properties: { authenticationMethod: METHOD, authenticationData },
});

let scram = new Scram();
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
  clientId: `${user}-js`,
  protocolVersion: 5,
  reconnectPeriod: 0,
  properties: { authenticationMethod: METHOD, authenticationData: scram.first() },
});
const failed = new Promise((_, reject) => client.once("error", reject));
const doneAgain = new Promise((resolve) => {
  client.handleAuth = (packet, callback) => {
    if (packet.reasonCode === CONTINUE) {
      callback(null, auth(CONTINUE, scram.last(packet.properties.authenticationData.toString())));
    } else {
      callback();
      resolve(packet);
    }
  };
});
const connected = new Promise((resolve) => client.once("connect", resolve));

const connack = await within(Promise.race([connected, failed]), "CONNACK");
const told = { connected: connack.reasonCode === 0 && scram.isServer(connack.properties) };
scram = new Scram();
// The library has no call of its own for it.
client._sendPacket(auth(AGAIN, scram.first()));
await within(client.publishAsync(`users/${user}/data`, "meanwhile", { qos: 1 }), "PUBACK");
const done = await within(Promise.race([doneAgain, failed]), "the last AUTH");
told.again = done.reasonCode === 0 && scram.isServer(done.properties);
await within(client.endAsync(), "the end");
console.log(JSON.stringify(told));
