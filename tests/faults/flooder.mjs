// One anonymous client that floods, in a thread of its own, so that it does not delay the senders it is to disturb. Its
// requests are due at fixed times; those that find too many others unanswered are dropped and counted.
import { parentPort, workerData } from "node:worker_threads";

import { beacon, DESKTOP } from "../product.mjs";
import { createClient } from "./workerd.mjs";

/** @type {{ port: number, rate: number, seconds: number, network: string }} */
const { port, rate, seconds, network } = workerData;
const MAX_UNANSWERED = 2_000;

const client = createClient(port);
const fields = { "cf-connecting-ip": network, "user-agent": DESKTOP };
const page = { ...fields, host: "www.example" };
const INVALID = ["{", "x".repeat(1_000), '{"v":1}', JSON.stringify({ ...beacon(), m: { LCP: "fast" } }), JSON.stringify({ ...beacon(), site: "elsewhere" })];
const id = (/** @type {number} */ number) => `f${number.toString(16).padStart(23, "0")}`;

/** The requests of the client, by turns. @type {[string, (number: number) => Promise<{ status: number }>][]} */
const KINDS = [
  ["valid", (number) => client.send("/v1/vitals", JSON.stringify(beacon({ id: id(number), path: "/flooded" })), fields)],
  ["valid", (number) => client.send("/v1/vitals", JSON.stringify(beacon({ id: id(number), path: "/flooded" })), fields)],
  ["invalid", (number) => client.send("/v1/vitals", INVALID[Math.floor(number / KINDS.length) % INVALID.length], fields)],
  ["purging", (number) => client.send(`/page?${number}`, "x", page)],
  ["read", (number) => client.send(`/api/vitals/series?site=demo&by=route,device&step=minute&from=${Date.now() - 3_600_000 * (1 + (number % 500))}`, undefined, fields)],
];

/** The responses of each kind by status. @type {Record<string, Record<string, number>>} */
const responses = {};
/** @param {string} kind @param {number | string} outcome */
function count(kind, outcome) {
  responses[kind] ??= {};
  responses[kind][outcome] = (responses[kind][outcome] ?? 0) + 1;
}

let unanswered = 0;
/** @type {Promise<void>[]} */
const sent = [];
const begun = performance.now();
for (let due = 0; performance.now() - begun < seconds * 1_000; await new Promise((resolve) => setTimeout(resolve, 2))) {
  for (; due < ((performance.now() - begun) / 1_000) * rate; due += 1) {
    const [kind, send] = KINDS[due % KINDS.length];
    if (unanswered >= MAX_UNANSWERED) {
      count(kind, "dropped");
      continue;
    }
    unanswered += 1;
    sent.push(
      send(due).then(
        ({ status }) => count(kind, status),
        () => count(kind, "failed"),
      ).finally(() => void (unanswered -= 1)),
    );
  }
}
await Promise.all(sent);
client.close();
parentPort?.postMessage(responses);
