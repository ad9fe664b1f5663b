// Floods of malformed, oversize and endless bodies beside honest visits: the floods get 4xx, every
// visit is counted, and memory stays bounded.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import { after, before, test } from "node:test";

import { beacon, DESKTOP } from "../product.mjs";
import { product, start } from "./workerd.mjs";

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
before(async () => void (workerd = await start("flood", product({ READ_TOKEN: "token" }), { fresh: true })));
after(() => workerd.kill());

const visit = (/** @type {string} */ path) => workerd.send("/v1/vitals", JSON.stringify(beacon({ path })), { "user-agent": DESKTOP });

const views = async (/** @type {string} */ path) => JSON.parse((await workerd.send(`/api/vitals/summary?site=demo&route=${path}`)).text).views;

/** A client that still writes after the rejection is disconnected and may not read the response. @param {any} error */
function expectDisconnect(error) {
  assert.match(error.code ?? "", /^(EPIPE|ECONNRESET)$/, error);
}

/** Resident memory in megabytes. */
const memory = () => Number(readFileSync(`/proc/${workerd.pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)?.[1]) / 1024;

/**
 * Sends each body in each round, together with honest visits.
 * @param {string} path @param {(string | Buffer)[]} bodies @param {number} rounds
 */
async function flood(path, bodies, rounds) {
  const statuses = new Set();
  for (let round = 0; round < rounds; round += 1) {
    const floods = bodies.map((body) => workerd.send("/v1/vitals", body).then(({ status }) => statuses.add(status), expectDisconnect));
    const visits = Array.from({ length: 5 }, () => visit(path).then(({ status }) => assert.equal(status, 200)));
    await Promise.all([...floods, ...visits]);
  }
  assert.equal(await views(path), rounds * 5);
  return [...statuses].sort();
}

test("malformed bodies are rejected, and concurrent visits are counted", async () => {
  const bodies = ["", "{", "[".repeat(16_000), `{"v":1,"m":${"[".repeat(15_000)}`, "\xff\xfe", Buffer.from([0xff, 0x00]), "null", '{"v":1e400}', "x".repeat(1000)];
  assert.equal(bodies.length, 9);
  assert.deepEqual(await flood("/malformed", [...bodies, ...bodies, ...bodies], 30), [400]);
});

test("oversize bodies are rejected without growing memory", async () => {
  await flood("/warm", ["x".repeat(2_000_000)], 5);
  const before = memory();
  assert.deepEqual(await flood("/oversize", Array.from({ length: 10 }, () => Buffer.alloc(2_000_000, "x")), 30), [413]);
  const grown = memory() - before;
  // 600 MB were sent.
  assert.ok(grown < 150, `memory grew by ${grown.toFixed(0)} MB`);
});

test("endless bodies do not block visits", async () => {
  const slow = Array.from({ length: 100 }, () => {
    const socket = net.connect(workerd.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("POST /v1/vitals HTTP/1.1\r\nhost: x\r\ncontent-length: 400\r\n\r\n{\"v\":1,");
    return socket;
  });
  await Promise.all(Array.from({ length: 100 }, () => visit("/slow").then(({ status }) => assert.equal(status, 200))));
  assert.equal(await views("/slow"), 100);
  slow.forEach((socket) => socket.destroy());
  await Promise.all(Array.from({ length: 20 }, () => visit("/slow")));
  assert.equal(await views("/slow"), 120, "still so after they have disconnected");
});

test("a client that disconnects at once does not affect other beacons", async () => {
  const left = JSON.stringify(beacon({ path: "/left" }));
  const request = `POST /v1/vitals HTTP/1.1\r\nhost: x\r\nuser-agent: ${DESKTOP}\r\ncontent-length: ${left.length}\r\n\r\n${left}`;
  const rounds = 200;
  for (let round = 0; round < rounds; round += 1) {
    // This beacon is the first of a batch to the object, and its client is gone before the batch is
    // sent.
    const socket = net.connect(workerd.port, "127.0.0.1");
    socket.on("error", () => {});
    const gone = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.write(request, resolve));
    socket.destroy();
    await Promise.all([gone, ...Array.from({ length: 5 }, () => visit("/stayed").then(({ status }) => assert.equal(status, 200)))]);
  }
  assert.equal(await views("/stayed"), rounds * 5);
});

test("a body without a length is read only up to the limit of a beacon", async () => {
  // Sends chunks until it is rejected.
  const status = await new Promise((resolve) => {
    const socket = net.connect(workerd.port, "127.0.0.1");
    let answer = "";
    const chunk = `1000\r\n${"x".repeat(0x1000)}\r\n`;
    const more = () => {
      while (!answer && socket.writable && socket.write(chunk));
    };
    socket.on("drain", more);
    socket.on("error", (error) => {
      expectDisconnect(error);
      resolve(answer || "cut off");
    });
    socket.on("data", (data) => {
      answer = String(data).split(" ")[1] ?? "";
      socket.destroy();
      resolve(answer);
    });
    socket.write("POST /v1/vitals HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    more();
  });
  assert.match(String(status), /^(413|cut off)$/);
});

test("each rejection is counted afterwards, and nothing has trapped", async () => {
  const expected = { malformed: 27 * 30, "too-large": 5 + 10 * 30 + 1 };
  /** @type {Record<string, number>} */
  let refused = {};
  // The counts arrive after the responses; poll for them.
  for (let tries = 0; tries < 500 && refused["too-large"] !== expected["too-large"]; tries += 1) {
    const { text } = await workerd.send("/api/vitals/summary?site=-", undefined, { authorization: "Bearer token" });
    refused = JSON.parse(text).refused;
  }
  assert.deepEqual(refused, expected);
  assert.doesNotMatch(workerd.errors(), /RuntimeError|unreachable|panicked/);
});
