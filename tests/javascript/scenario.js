// What every client library has to show, with MQTT.js. Prints what it counted.
//
// scenario.js PORT CLIENT_ID AUTHORITY CERTIFICATE KEY VERSION TRANSPORT PHASE
//
// PHASE is `live`, `leave`, `return` or `die`; tests/src/scenario.rs says what is expected of each. TRANSPORT is `mqtts` or `wss`.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import mqtt from "mqtt";

const [port, clientId, authority, certificate, key, version, transport, phase] = process.argv.slice(2);
const BOUND_MS = 30_000;
const COUNT = 10;
const END = "end";
const KEEP_SECS = 3600;

// Fails when what is waited for takes too long.
function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${BOUND_MS} ms in vain for ${what}`)), BOUND_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Client {
  constructor(name, { keepSession = false, will } = {}) {
    this.heard = [];
    this.waiting = [];
    const options = {
      clientId: `${clientId}-${name}`,
      protocolVersion: version === "5" ? 5 : 4,
      clean: !keepSession,
      ca: readFileSync(authority),
      cert: readFileSync(certificate),
      key: readFileSync(key),
      reconnectPeriod: 0,
      keepalive: 30,
      will,
    };
    if (version === "5" && keepSession) options.properties = { sessionExpiryInterval: KEEP_SECS };
    const path = transport === "wss" ? "/mqtt" : "";
    this.client = mqtt.connect(`${transport}://localhost:${port}${path}`, options);
    this.client.on("message", (topic, payload, packet) => {
      this.heard.push({ topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain });
      this.waiting = this.waiting.filter(({ wanted, resolve }) => !(wanted(this.heard) && (resolve(), true)));
    });
    this.connected = new Promise((resolve, reject) => {
      this.client.once("connect", resolve);
      this.client.once("error", reject);
    });
  }

  // Whether the session was there already.
  async connect() {
    const connack = await within(this.connected, "CONNACK");
    return connack.sessionPresent;
  }

  async subscribe(topic, qos) {
    const [granted] = await within(this.client.subscribeAsync(topic, { qos }), "SUBACK");
    if (granted.qos !== qos) throw new Error(`granted ${granted.qos} for ${topic}`);
  }

  publish(topic, payload, qos, retain = false) {
    return within(this.client.publishAsync(topic, payload, { qos, retain }), `the acknowledgement of ${payload}`);
  }

  waitFor(wanted, what) {
    if (wanted(this.heard)) return Promise.resolve();
    return within(new Promise((resolve) => this.waiting.push({ wanted, resolve })), what);
  }

  // Until the last message is heard, sent at QoS 2 after all others.
  async waitForTheEnd() {
    await this.waitFor((heard) => heard.some(({ payload }) => payload === END), "the last message");
    return this.heard.filter(({ payload }) => payload !== END);
  }

  leave() {
    return within(this.client.endAsync(), "the end");
  }
}

// How many different ones at each quality of service, and how many came again.
function counted(messages) {
  const different = new Map(messages.map((message) => [JSON.stringify(message), message]));
  const byQos = {};
  for (const { qos } of different.values()) byQos[qos] = (byQos[qos] ?? 0) + 1;
  return [byQos, messages.length - different.size];
}

async function started(name, options) {
  const client = new Client(name, options);
  await client.connect();
  return client;
}

async function bothWays(report) {
  const client = await started("both");
  await client.subscribe("scenario/both/#", 2);
  for (const qos of [0, 1, 2]) {
    for (let number = 0; number < COUNT; number += 1) await client.publish("scenario/both/ways", `${qos}-${number}`, qos);
  }
  await client.publish("scenario/both/ways", END, 2);
  [report.heard, report.repeated] = counted(await client.waitForTheEnd());
  await client.leave();
}

async function retained(report) {
  const publisher = await started("retainer");
  const hear = async (name) => {
    const subscriber = await started(name);
    await subscriber.subscribe("scenario/retained", 2);
    await publisher.publish("scenario/retained", END, 2);
    const heard = (await subscriber.waitForTheEnd()).filter(({ retain }) => retain);
    await subscriber.leave();
    return heard.length;
  };
  await publisher.publish("scenario/retained", "kept", 1, true);
  report.retained = await hear("early");
  await publisher.publish("scenario/retained", "", 1, true);
  report.retained_after_clearing = await hear("late");
  await publisher.leave();
}

async function will(report) {
  const client = await started("witness");
  await client.subscribe("scenario/will", 2);
  const died = spawnSync(process.execPath, [...process.argv.slice(1, -1), "die"], { stdio: "inherit", timeout: BOUND_MS });
  if (died.signal !== "SIGKILL") throw new Error(`it should have died: ${JSON.stringify(died)}`);
  await client.waitFor((heard) => heard.length > 0, "the will");
  await client.publish("scenario/will", END, 2);
  report.will = (await client.waitForTheEnd()).length;
  await client.leave();
}

async function die() {
  await started("dying", { will: { topic: "scenario/will", payload: Buffer.from("gone"), qos: 1, retain: false } });
  process.kill(process.pid, "SIGKILL");
}

async function shared(report) {
  const members = [await started("member-1"), await started("member-2")];
  for (const member of members) await member.subscribe("$share/group/scenario/shared", 2);
  const publisher = await started("distributor");
  const sent = [0, 1, 2].flatMap((qos) => Array.from({ length: COUNT }, (_, number) => `${qos}-${number}`));
  for (const payload of sent) await publisher.publish("scenario/shared", payload, Number(payload[0]));
  // One end for each, by a subscription of its own.
  for (const member of members) await member.subscribe("scenario/shared/end", 2);
  await publisher.publish("scenario/shared/end", END, 2);
  const heard = (await Promise.all(members.map((member) => member.waitForTheEnd()))).flat();
  const isWhole = JSON.stringify(heard.map(({ payload }) => payload).sort()) === JSON.stringify([...sent].sort());
  report.shared = isWhole ? heard.length : heard;
  report.members_served = members.filter((member) => member.heard.length > 1).length;
  for (const client of [publisher, ...members]) await client.leave();
}

async function leave(report) {
  const absent = await started("absent", { keepSession: true });
  await absent.subscribe("scenario/absent", 2);
  await absent.leave();
  const publisher = await started("publisher");
  for (const qos of [1, 2]) {
    for (let number = 0; number < COUNT; number += 1) await publisher.publish("scenario/absent", `${qos}-${number}`, qos);
  }
  await publisher.leave();
  report.published = 2 * COUNT;
}

async function comeBack(report) {
  const client = new Client("absent", { keepSession: true });
  report.session_present = await client.connect();
  await client.publish("scenario/absent", END, 2);
  [report.received, report.repeated] = counted(await client.waitForTheEnd());
  await client.leave();
}

const phases = { live: [bothWays, retained, will, shared], leave: [leave], return: [comeBack], die: [die] };
const report = {};
for (const step of phases[phase]) await step(report);
console.log(JSON.stringify(report));
