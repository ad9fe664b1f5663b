// What workerd calls: the exports of the wasm module as a handler and as Durable Object classes.
// Should the module ever trap, its memory is not to be trusted: the next call starts a fresh one,
// and a Durable Object is restarted from what it has stored.
import { DurableObject } from "cloudflare:workers";
import { manage, passed, visited, warmedByCron } from "./edge.js";
import * as wasm from "./index.js";

const state = wasm.__worker_init_state();

function revived() {
  if (!state.criticalError) return;
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

function trapped(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("the module trapped and is started anew:", error);
  state.criticalError = true;
}

// What is answered at once needs no promise.
function guarded(call) {
  revived();
  try {
    const done = call();
    return done instanceof Promise ? done.catch(told) : done;
  } catch (error) {
    return told(error);
  }
}

function told(error) {
  trapped(error);
  throw error;
}

addEventListener("error", (event) => trapped(event.error));

// A beacon's way is the one that costs: it crosses to Rust once with all that is known of it, and goes
// to its object as a call rather than a request.
async function take(request, env, context, own, query) {
  const { headers } = request;
  const origin = headers.get("origin") ?? undefined;
  const refused = (reason, site) => answered(wasm.refuse(env, reason, site, origin), env, context);
  if (env.INGEST_RATE) {
    const network = wasm.network(headers.get("cf-connecting-ip") ?? "");
    if (!(await within(env.INGEST_RATE, network))) return refused("too-many");
  }
  const body = await read(request, headers.get("content-length"));
  if (!body) return refused("too-large");
  const now = Date.now();
  if (wasm.budgets_are_old(now)) await wasm.read_budgets(env);
  const agent = headers.get("user-agent") ?? "";
  const hint = headers.get("sec-ch-ua-mobile") ?? undefined;
  const country = headers.get("cf-ipcountry") ?? undefined;
  const isAsked = headers.get("prefer")?.includes("return=representation") ?? false;
  const heard = wasm.hear(env, body, query, own, origin, agent, hint, country, isAsked, now);
  if (!Array.isArray(heard)) return answered(heard, env, context);
  const [answer, allowed, site, ...rows] = heard;
  if (env.SITE_RATE && !(await within(env.SITE_RATE, site))) return refused("too-many", site);
  try {
    // Should a later one fail, all are sent again; those that are stored already count once.
    for (let index = 0; index < rows.length; index += 2) {
      if (!(await journaled(env, context, rows[index], rows[index + 1], now))) return refused("unavailable", site);
    }
  } catch (error) {
    console.error("the journal did not answer:", error);
    return refused("unavailable", site);
  }
  // A page that is left reads nothing, and what nobody reads is not written.
  if (answer === undefined) return new Response(null, allowed ? { headers: { "access-control-allow-origin": allowed, vary: "Origin" } } : undefined);
  return new Response(answer, { headers: allowed ? { ...TAKEN, "access-control-allow-origin": allowed } : TAKEN });
}

// Rows wait a moment for company, so that one call takes them all to their object. Whoever is first of a
// group sends it, and goes on with it when its own visitor has gone; were it cut off nevertheless, nobody
// joins it for long.
function journaled(env, context, object, rows, now) {
  const open = groups.get(object);
  if (open && now - open.since < PATIENCE && open.size + rows.length <= MOST_OF_A_BATCH) {
    open.size += rows.length;
    open.rows.push(rows);
    // Who waits for another's request has to have something of its own to wait for.
    return Promise.race([open.stored, passed(PATIENCE).then(() => false)]);
  }
  const group = { rows: [rows], size: rows.length, since: now, stored: passed(COMPANY).then(() => sent(env, object, group)) };
  groups.set(object, group);
  context.waitUntil(group.stored.catch(() => {}));
  return group.stored;
}

function sent(env, object, group) {
  if (groups.get(object) === group) groups.delete(object);
  return env.SHARDS_OF_SITES.getByName(object).tell(group.rows);
}

// The group for each object that has not set off.
const groups = new Map();
// Milliseconds.
const PATIENCE = 10_000;
const COMPANY = 2;

const TAKEN = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  vary: "Origin",
};

// A refusal is counted when its answer is on its way.
function answered(response, env, context) {
  if (wasm.carries_refusals(Date.now())) context.waitUntil(wasm.carry_refusals(env));
  return response ?? new Response(null, { status: 503 });
}

// A limiter that fails must not cost a visit.
const within = (limiter, key) => limiter.limit({ key }).then(({ success }) => success, () => true);

// The body, read no further than any may be long. A length that is given is one that HTTP holds to.
async function read(request, length) {
  if (length > MOST_BYTES) return null;
  if (length !== null || !request.body) return new Uint8Array(await request.arrayBuffer());
  const chunks = [];
  let read = 0;
  for await (const chunk of request.body) {
    read += chunk.byteLength;
    if (read > MOST_BYTES) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

const MOST_BYTES = 65_536;

// What is ours comes before what is an origin's; what is no origin's is a file, or nothing.
function routed(request, env, context, url, path) {
  if (path.startsWith("/api/cache/")) return manage(request, env, context, path);
  const answer = OWN.has(path) || OURS.test(path) ? undefined : visited(request, env, context, url);
  return answer ?? wasm.fetch(request, env, context);
}

const OWN = new Set(["/v1/vitals", "/v1/client.js", "/v1/start.js", "/api/budgets", "/api/budgets/limits", "/api/lab", "/api/live", "/api/openapi.json", "/badge.svg", "/metrics"]);
const OURS = /^\/api\/(vitals|health|push|alerts|performance)(\/|$)/;

export default {
  fetch(request, env, context) {
    const { url } = request;
    const at = url.indexOf("/", 8);
    if (request.method === "POST" && url.startsWith("/v1/vitals", at)) {
      const query = url.slice(at + 10);
      if (query === "" || query[0] === "?") {
        return guarded(() => take(request, env, context, url.slice(0, at), query ? query.slice(1) : undefined));
      }
    }
    return guarded(() => routed(request, env, context, url, url.slice(at).split("?", 1)[0]));
  },
  async scheduled(event, env, context) {
    await guarded(() => wasm.scheduled(event, env, context));
    await guarded(() => warmedByCron(env, context));
  },
};

export class Shard extends DurableObject {
  #inner;
  #instance = -1;

  // An object of a module that is gone is made again from storage.
  #live() {
    revived();
    if (this.#instance !== state.instanceId) {
      this.#inner = new wasm.Shard(this.ctx, this.env);
      this.#instance = state.instanceId;
    }
    return this.#inner;
  }

  fetch(request) {
    return guarded(() => this.#live().fetch(request));
  }

  #rows = [];
  #commit = null;

  // Rows wait a moment for company, so that one commit serves them all; who tells one is answered when
  // it is written, and the output gate holds the answer until it is on disk.
  tell(rows) {
    this.#rows.push(...rows);
    this.#commit ??= passed(COMPANY).then(() => this.#written());
    return this.#commit;
  }

  #written() {
    const rows = this.#rows;
    this.#rows = [];
    this.#commit = null;
    return guarded(() => {
      const live = this.#live();
      // Several statements without an await between them are one commit.
      return batches(rows).every((batch) => live.commit(batch));
    });
  }

  alarm() {
    return guarded(() => this.#live().alarm());
  }

  // Who listens has nothing to say: pings are answered by the platform, and wake nobody.
  webSocketMessage(socket) {
    socket.close(1008, "this socket is for listening");
  }

  // Who says goodbye waits for the answer.
  webSocketClose(socket) {
    socket.close();
  }
}

// SQLite takes no text of more than two million bytes, and a row may be of any script.
function batches(rows) {
  const batches = [[]];
  let size = 0;
  for (const row of rows) {
    size += row.length;
    if (size > MOST_OF_A_BATCH) {
      batches.push([]);
      size = row.length;
    }
    batches.at(-1).push(row);
  }
  return batches.map((batch) => batch.join(","));
}

const MOST_OF_A_BATCH = 500_000;

// The authority on purges.
export class TagClock extends DurableObject {
  #inner;
  #instance = -1;

  #live() {
    revived();
    if (this.#instance !== state.instanceId) {
      this.#inner = new wasm.TagClock(this.ctx, this.env);
      this.#instance = state.instanceId;
    }
    return this.#inner;
  }

  fetch(request) {
    return guarded(() => this.#live().fetch(request));
  }

  alarm() {
    return guarded(() => this.#live().alarm());
  }
}
