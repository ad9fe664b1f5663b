// The cache's pump: it fetches, waits, streams and stores, and asks Rust at each step what to do next.
// It holds no rule about caching. Promises that several requests wait for are made here, because a
// waker of another request's would break them; bytes are shared between requests, never a Response.
import * as wasm from "./index.js";

// A request that may be the cache's. Nothing, where it is not.
export function visited(request, env, context, url) {
  const now = Date.now();
  const { headers } = request;
  const arrived = wasm.arrive(env, request.method, url, lines(headers), headers.get("cf-connecting-ip") ?? "", now);
  if (arrived === undefined) return undefined;
  if (Array.isArray(arrived)) {
    learnedSoon(env, context, now);
    if (now - carried > PATIENCE_WITH_CARRIER) context.waitUntil(carrying(env));
    if (arrived.length > 4) context.waitUntil(fetchedAhead(arrived[4], env, context));
    return answered(arrived);
  }
  return awaited(arrived, request, env, context);
}

// A visit that has to wait for something.
async function awaited(visit, request, env, context) {
  lease = visit.lease();
  const held = [];
  // Work that goes on when the visitor has gone, from when it begins.
  const hold = (work) => {
    held.push(work);
    context.waitUntil(work);
  };
  try {
    return await answeredBy(visit, request, env, context, hold);
  } finally {
    if (Date.now() - carried > PATIENCE_WITH_CARRIER) context.waitUntil(carrying(env));
    const left = held.length > 0;
    const next = visit.ahead();
    if (next) context.waitUntil(fetchedAhead(next, env, context));
    context.waitUntil(
      Promise.allSettled(held).then(() => {
        visit.free();
        // Bodies that are whole by now.
        if (left && Date.now() - carried > PATIENCE_WITH_CARRIER) return carrying(env);
      }),
    );
  }
}

// What was answered is counted elsewhere, too. One carries for all that come meanwhile; one whose request
// was cut off is not waited for.
async function carrying(env) {
  carried = Date.now();
  try {
    for (let round = 0, more = true; more && round < MOST_ROUNDS; round += 1) {
      await passed(COMPANY);
      more = await wasm.carry_traffic(env);
    }
    await noticed(env);
  } finally {
    carried = -Infinity;
  }
}

// What the clock keeps of it: sums for the analytics, and the ways that visitors go.
async function noticed(env) {
  const [seen, ways] = [wasm.take_seen(), wasm.take_ways()];
  try {
    if (ways !== undefined) await told(env, "/ways", ways);
    if (seen !== undefined) await told(env, "/seen", seen);
  } catch (error) {
    console.error("the clock did not take what was seen:", error);
    if (seen !== undefined) wasm.put_back_seen(seen);
  }
}

// Since when somebody carries.
let carried = -Infinity;

// For how long what is known of purges is trusted, in milliseconds: the configuration's, once it is read.
let lease = 2000;

async function answeredBy(visit, request, env, context, hold) {
  const now = Date.now();
  if (visit.wantsPurges(now)) await learned(env, context);
  else learnedSoon(env, context, now);
  let step = await sought(visit, env);
  // Somebody may be fetching it. Whoever waited in vain fetches for itself, and keeps nobody waiting.
  if (step === "fetch") {
    const name = visit.flight(Date.now());
    const flight = name === undefined ? undefined : inFlight(name, visit.patience());
    if (flight) {
      const filled = await Promise.race([flight.filled, passed(visit.patience())]);
      if (filled) step = visit.again(Date.now());
      // What memory has no room for lies below it.
      if (filled && step === "fetch") step = await sought(visit, env);
    } else if (name !== undefined) {
      return fetched(visit, env, hold, name);
    }
  }
  switch (step) {
    case "serve":
      return answered(visit.answer(Date.now()));
    case "serve-then-ask": {
      const answer = visit.answer(Date.now());
      hold(refreshed(visit, env));
      return answered(answer);
    }
    case "fetch":
      return fetched(visit, env, hold, undefined);
    case "pass":
      return passedOn(visit, request, env, context);
    default:
      return answered(visit.refusal(Date.now()));
  }
}

// What the tiers below memory have.
async function sought(visit, env) {
  let step = visit.begin(Date.now());
  // The first look may tell only what answers vary on.
  for (let look = 0; step === "look" && look < 2; look += 1) {
    const place = visit.place();
    const name = await hashed(place);
    for (const [tier, envelope] of [["colo", () => fromColo(visit.host(), name)], ["kv", () => fromKv(env, name)]]) {
      const bytes = await envelope();
      if (!bytes) continue;
      step = visit.found(bytes, tier, Date.now());
      if (step !== "look") return step;
      // It was about other requests, or nothing that can be read: then the next tier may have better.
      if (visit.place() !== place) break;
    }
    if (visit.place() === place) break;
  }
  return step === "look" ? visit.absent(Date.now()) : step;
}

// Fetches what may be stored. The visitor gets it as it comes; who waits gets it when it is whole.
async function fetched(visit, env, hold, name) {
  let settle = () => {};
  const flight = { filled: new Promise((resolve) => (settle = resolve)), since: Date.now() };
  if (name !== undefined) flights.set(name, flight);
  const landed = (filled) => {
    settle(filled);
    if (flights.get(name) === flight) flights.delete(name);
  };
  // The work goes on when its visitor has gone.
  const work = asked(visit, env).then(async ({ step, answer }) => {
    if (step === "store") {
      const body = injected(visit, answer);
      const [status, fields] = visit.head(Date.now());
      const [shown, kept] = body ? body.tee() : [null, null];
      const filled = stored(visit, env, kept, () => landed(true)).catch(() => false);
      hold(filled.then(landed));
      if (NO_BODY.has(status) || !shown) {
        await shown?.cancel();
        return new Response(null, { status, headers: new Headers(fields) });
      }
      return new Response(shown, { status, headers: new Headers(fields), encodeBody: "manual" });
    }
    if (step === "serve") {
      // A 304 makes it fresh, also for those who wait.
      hold(kept(visit, env));
      landed(true);
      return answered(visit.answer(Date.now()));
    }
    landed(false);
    return step === "send" ? sent(visit, answer) : answered(visit.refusal(Date.now()));
  });
  hold(work.then(() => {}, () => landed(false)));
  return work;
}

// Asks the origin about what has just been served; one request at a time.
async function refreshed(visit, env) {
  const name = visit.place();
  if (inFlight(name, visit.patience())) return;
  flights.set(name, { filled: Promise.resolve(true), since: Date.now() });
  try {
    const { step, answer } = await asked(visit, env);
    if (step === "store") await stored(visit, env, injected(visit, answer));
    else if (step === "serve") await kept(visit, env);
    else await answer?.body?.cancel();
  } catch (error) {
    console.error("what was served could not be refreshed:", error);
  } finally {
    flights.delete(name);
  }
}

// Asks the origin, and once more where it speaks of something else than what is stored.
async function asked(visit, env) {
  const may = visit.admitted(Date.now());
  if (may !== "ask") return { step: may, spared: true };
  for (let again = false; ; again = true) {
    const [target, method, fields] = visit.ask(Date.now());
    let answer;
    try {
      answer = await within(visit.patience(), (signal) => fetch(target, { method, headers: fields, redirect: "manual", encodeResponseBody: "manual", signal }));
    } catch (error) {
      return { step: visit.failed(late(error) ? 504 : 502, Date.now()) };
    }
    const step = visit.answered(answer.status, lines(answer.headers), Date.now());
    if (step === "serve" || step === "refuse") await answer.body?.cancel();
    if (step !== "fetch") return { step, answer };
    await answer.body?.cancel();
    if (again) return { step: visit.failed(502, Date.now()) };
  }
}

// Brings a request to the origin and its answer back: nobody else gets it.
async function passedOn(visit, request, env, context) {
  if (visit.admitted(Date.now()) !== "ask") return answered(visit.refusal(Date.now()));
  const [target, method, fields] = visit.askAlone(Date.now());
  const headers = new Headers(fields);
  const isSocket = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  if (isSocket) headers.set("upgrade", "websocket");
  const isRead = method === "GET" || method === "HEAD";
  let isTooLong = false;
  let answer;
  try {
    answer = await within(visit.patience(), (signal, abort) => {
      // Aborted, the request is not taken for a whole one that is shorter.
      const tooLong = () => {
        isTooLong = true;
        abort(new Error("the body is too long"));
      };
      const body = isRead ? undefined : limited(request.body, visit.mostBody(), tooLong);
      return fetch(target, { method, headers, body, redirect: "manual", encodeResponseBody: "manual", signal });
    });
    if (isTooLong) throw new Error("the body is too long");
  } catch (error) {
    await answer?.body?.cancel();
    visit.failed(isTooLong ? 413 : late(error) ? 504 : 502, Date.now());
    return answered(visit.refusal(Date.now()));
  }
  if (answer.webSocket) return answer;
  if (visit.answered(answer.status, lines(answer.headers), Date.now()) === "refuse") {
    await answer.body?.cancel();
    return answered(visit.refusal(Date.now()));
  }
  const voids = visit.voids();
  if (voids) {
    // Whoever wrote reads next what was written: the purge is known here before the answer is given.
    try {
      await told(env, "/purge", voids);
      await learnedSince(env, context);
    } catch (error) {
      console.error("what was written to could not be purged everywhere:", error);
    }
  }
  return sent(visit, answer);
}

function sent(visit, answer) {
  const body = injected(visit, answer);
  const [status, fields] = visit.head(Date.now());
  const headers = new Headers(fields);
  if (NO_BODY.has(status)) return new Response(null, { status, headers });
  return new Response(body, { status, headers, encodeBody: "manual" });
}

// The body, with the client's script in its head where the route asks for it.
function injected(visit, answer) {
  const script = visit.injection();
  if (script === undefined || !answer.body) return answer.body;
  const page = new Response(answer.body, { headers: { "content-type": "text/html" } });
  return new HTMLRewriter().on("head", { element: (head) => head.append(script, { html: true }) }).transform(page).body;
}

// Reads a body whole and keeps it in every tier. Whether it was kept; who waits is told as soon as memory
// has it, for the lower tiers may be slow.
async function stored(visit, env, body, remembered = () => {}) {
  let bytes;
  try {
    bytes = await whole(body, visit.largest());
  } catch {
    // Reset, or cut short: what came of it is nobody's answer.
    visit.spoilt(Date.now());
    return false;
  }
  const promised = visit.promised();
  if (!bytes || (promised >= 0 && promised !== bytes.byteLength)) {
    visit.spoilt(Date.now());
    return false;
  }
  const etag = visit.wantsEtag() && bytes.byteLength <= LARGEST_NAMED ? `"${hex(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 32)}"` : undefined;
  const sealed = visit.store(bytes, etag);
  if (visit.isRemembered()) remembered();
  await lower(sealed, visit.host(), env);
  return true;
}

// What is in memory goes to the lower tiers too.
async function kept(visit, env) {
  await lower(visit.sealed(), visit.host(), env);
}

async function lower(sealed, host, env) {
  if (!sealed) return;
  const [head, retention, isForKv, place, key, body] = sealed;
  const envelope = new Uint8Array(head.byteLength + body.byteLength);
  envelope.set(head);
  envelope.set(body, head.byteLength);
  // Under the plain key too, so that whoever knows nothing learns what the answers vary on.
  for (const name of new Set([await hashed(place), await hashed(key)])) {
    const tiers = [intoColo(host, name, envelope, retention)];
    if (isForKv) tiers.push(intoKv(env, name, envelope, retention));
    for (const { reason } of await Promise.allSettled(tiers)) {
      if (reason) console.error("a tier did not keep an answer:", reason);
    }
  }
}

const intoColo = async (host, name, envelope, retention) =>
  caches.default.put(place(host, name), new Response(envelope, { headers: { "cache-control": `public, max-age=${retention}`, "content-type": "application/octet-stream" } }));

const intoKv = async (env, name, envelope, retention) => env.CACHE_KV?.put(name, envelope, { expirationTtl: retention });

// A tier that fails, or is slow, has nothing.
async function fromColo(host, name) {
  try {
    const found = await hurried(caches.default.match(place(host, name)));
    return found ? new Uint8Array(await found.arrayBuffer()) : undefined;
  } catch {
    return undefined;
  }
}

async function fromKv(env, name) {
  try {
    const found = await hurried(env.CACHE_KV?.get(name, "arrayBuffer"));
    return found ? new Uint8Array(found) : undefined;
  } catch {
    return undefined;
  }
}

// No header of a visitor's is part of a place. It lies on the host itself, which needs no look-up; and
// nobody can ask for it, because the Cache API is asked by us alone.
const place = (host, name) => `https://${host}/.edge-vitals/1/${name}`;

// Half the lease is over: asked now, nobody has to wait for it, and it is not over while a tier is asked.
function learnedSoon(env, context, now) {
  if (now - known > lease / 2) context.waitUntil(learned(env, context));
}

// What was purged since we last asked. One asks for all that want to know; one that does not come back,
// because its request was cut off, is not waited for.
function learned(env, context) {
  const now = Date.now();
  // One that has just failed is not worth waiting for again; what has tags is fetched meanwhile.
  if (now - failed < PATIENCE_WITH_CLOCK) return Promise.resolve();
  if (!learning || now - learning.since > PATIENCE_WITH_CLOCK) {
    const done = learnedAnew(env)
      .catch((error) => {
        failed = Date.now();
        console.error("the clock did not answer:", error);
      })
      .finally(() => {
        if (learning?.done === done) learning = undefined;
      });
    learning = { done, since: now };
    context.waitUntil(done);
  }
  return Promise.race([learning.done, passed(PATIENCE_WITH_CLOCK)]);
}

// The same, of what was purged until now: what was asked for before may not have it.
async function learnedSince(env, context) {
  if (learning) await Promise.race([learning.done, passed(PATIENCE_WITH_CLOCK)]);
  await learned(env, context);
}

async function learnedAnew(env) {
  for (let more = true; more; ) {
    const now = Date.now();
    more = wasm.learn_purges(await told(env, "/since", String(wasm.purges_known())), now);
    known = now;
  }
}

let learning;
let known = 0;
let failed = 0;

async function told(env, path, body) {
  const clock = env.TAG_CLOCK.getByName("clock");
  const answer = await hurried(clock.fetch(`https://clock.invalid${path}`, { method: "POST", body }));
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}`);
  return answer.text();
}

// The management calls.
export async function manage(request, env, context, path) {
  const refused = wasm.may_manage(env, request.method, path, request.headers.get("authorization") ?? "");
  if (refused) return answered(refused);
  const action = path.slice("/api/cache/".length);
  const query = new URL(request.url).searchParams;
  const done = await performed(action, request, env, context, query);
  // What was done is recorded, and that it cannot be is no reason to undo it.
  context.waitUntil(told(env, "/record", JSON.stringify({ action, what: done.what.slice(0, 500), outcome: String(done.answer.status) })).catch((error) => console.error("a call was not recorded:", error)));
  return done.answer;
}

async function performed(action, request, env, context, query) {
  switch (action) {
    case "purge": {
      const body = new TextDecoder().decode((await whole(request.body, MOST_OF_A_CALL)) ?? new Uint8Array());
      const purge = wasm.read_purge(body);
      if (Array.isArray(purge)) return { what: body, answer: answered(purge) };
      try {
        const seq = Number(await told(env, "/purge", purge));
        if (!Number.isSafeInteger(seq)) throw new Error("the clock's answer is no count");
        await learnedSince(env, context);
        return { what: body, answer: json({ purged: true, seq }) };
      } catch (error) {
        console.error("a purge failed:", error);
        return { what: body, answer: json({ detail: "the clock did not answer; nothing is sure to be purged: try again" }, 503) };
      }
    }
    case "warm":
      return warmed(request, env, context, query);
    case "analytics": {
      await noticed(env);
      const said = await wasm.analytics(env, await told(env, "/analytics", ""), Date.now());
      return { what: "", answer: typeof said === "string" ? new Response(said, { headers: JSON_HEADERS }) : answered(said) };
    }
    default: {
      const url = query.get("url") ?? "";
      const visit = wasm.imagine(env, url, query.getAll("header").join("\n"), Date.now());
      if (!visit) return { what: url, answer: json({ detail: "no route is for this url; give it whole, as https://www.example.com/path" }, 404) };
      if (visit.wantsPurges(Date.now())) await learned(env, context);
      const step = await sought(visit, env);
      const text = visit.explain(step, Date.now());
      visit.free();
      return { what: url, answer: new Response(text, { headers: JSON_HEADERS }) };
    }
  }
}

// Fetches what will be asked for.
async function warmed(request, env, context, query) {
  const strategy = query.get("strategy") ?? "listed";
  const body = new TextDecoder().decode((await whole(request.body, MOST_OF_A_LIST)) ?? new Uint8Array());
  let list;
  try {
    list = wasm.to_warm(strategy, strategy === "predicted" ? await told(env, "/likely", "") : body, query.get("most") ?? undefined, Date.now());
  } catch (error) {
    console.error("nobody says what is likely:", error);
    return { what: strategy, answer: json({ detail: "the clock did not answer: try again" }, 503) };
  }
  if (typeof list !== "string") return { what: strategy, answer: answered(list) };
  const { most, urls } = JSON.parse(list);
  const sums = await warmedAll(urls, most, env, context, strategy === "popular");
  return { what: `${strategy}: ${urls.length}`, answer: json(sums) };
}

// A few at a time, and not more origin requests than was said.
async function warmedAll(urls, most, env, context, anew) {
  const sums = { warmed: 0, fresh: 0, failed: 0, foreign: 0, left: 0 };
  const left = [...urls];
  let asks = 0;
  const may = () => asks < most && (asks += 1) > 0;
  const worker = async () => {
    for (let url = left.shift(); url !== undefined; url = left.shift()) sums[await warm(url, env, context, anew, may)] += 1;
  };
  await Promise.all(Array.from({ length: WARMED_AT_ONCE }, worker));
  return sums;
}

// Fetches what is likely next; each minute has so many requests for that.
async function fetchedAhead(urls, env, context) {
  for (const url of urls) await warm(url, env, context, false, (visit) => wasm.may_ask_ahead(visit.predictPerMinute(), Date.now()));
}

// What the configuration wants to be warm whenever the cron runs.
export async function warmedByCron(env, context) {
  const schedule = wasm.scheduled_warming(env);
  if (schedule === undefined) return;
  const { sitemap, popular, predicted, most } = JSON.parse(schedule);
  const urls = [];
  try {
    if (sitemap) urls.push(...(await pagesOf(sitemap, env)));
    if (popular) urls.push(...JSON.parse(await told(env, "/popular", "")));
    if (predicted) urls.push(...JSON.parse(wasm.to_warm("predicted", await told(env, "/likely", ""), undefined, Date.now())).urls);
  } catch (error) {
    console.error("what is to be warmed could not be learned whole:", error);
  }
  const sums = await warmedAll([...new Set(urls)].slice(0, MOST_OF_A_CRON), most, env, context, false);
  await told(env, "/record", JSON.stringify({ action: "cron", what: `warm: ${urls.length}`, outcome: JSON.stringify(sums) }));
}

// The pages of a sitemap, which an origin of ours has.
async function pagesOf(sitemap, env) {
  const visit = wasm.imagine(env, sitemap, "", Date.now());
  if (!visit) throw new Error(`no route is for ${sitemap}`);
  try {
    const { answer } = await asked(visit, env);
    const bytes = answer?.status === 200 ? await whole(answer.body, MOST_OF_A_LIST) : undefined;
    if (!bytes) throw new Error(`${sitemap} is not to be had, or too long`);
    const list = wasm.to_warm("listed", new TextDecoder().decode(bytes), undefined, Date.now());
    if (typeof list !== "string") throw new Error(`${sitemap}: ${list[2]}`);
    return JSON.parse(list).urls;
  } finally {
    visit.free();
  }
}

async function warm(url, env, context, anew, may) {
  let visit;
  try {
    visit = wasm.imagine(env, new URL(url).href, "accept-encoding: gzip, br, zstd", Date.now());
  } catch {
    return "foreign";
  }
  if (!visit) return "foreign";
  try {
    if (visit.wantsPurges(Date.now())) await learned(env, context);
    const step = await sought(visit, env);
    if (step === "serve" && !anew) return "fresh";
    if (step === "pass" || step === "refuse") return "foreign";
    if (!may(visit)) return "left";
    const { step: next, answer, spared } = await asked(visit, env);
    if (spared) return "left";
    if (next === "serve") await kept(visit, env);
    else if (next === "store") return (await stored(visit, env, injected(visit, answer))) ? "warmed" : "failed";
    else await answer?.body?.cancel();
    return next === "serve" ? "warmed" : "failed";
  } catch {
    return "failed";
  } finally {
    visit.free();
  }
}

// An answer that Rust has made: status, fields, body, and what is of this moment, a line each. The fields
// are those that the next visitor gets as well, but for what is set here and copied before anybody else
// comes: one copy is what they cost.
function answered([status, headers, body, moment]) {
  if (moment !== undefined) {
    const [age, cacheStatus, timing] = moment.split("\n");
    headers.set("age", age);
    headers.set("cache-status", cacheStatus);
    headers.set("server-timing", timing);
  }
  return new Response(body, { status, headers, encodeBody: "manual" });
}

const json = (value, status = 200) => new Response(JSON.stringify(value), { status, headers: JSON_HEADERS });
const JSON_HEADERS = { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" };

function lines(headers) {
  let text = "";
  // Half the cost of an iterator, on the way that each request takes.
  headers.forEach((value, name) => (text += `${name}:${value}\n`));
  return text;
}

// A body, whole; nothing where it is longer than it may be.
async function whole(body, most) {
  if (!body) return new Uint8Array();
  const chunks = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > most) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

// A body on its way to the origin, which breaks off where it is longer than it may be.
function limited(body, most, tooLong) {
  if (!body) return undefined;
  let size = 0;
  return body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        size += chunk.byteLength;
        if (size <= most) return controller.enqueue(chunk);
        tooLong();
        controller.error(new Error("the body is too long"));
      },
    }),
  );
}

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function hashed(text) {
  return hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

export const passed = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

// A call that is given up when it is not answered in time. A body that has begun is not cut off.
async function within(millis, call) {
  const giver = new AbortController();
  const timer = setTimeout(() => giver.abort(new DOMException("not answered in time", "TimeoutError")), millis);
  try {
    return await call(giver.signal, (reason) => giver.abort(reason));
  } finally {
    clearTimeout(timer);
  }
}

const late = (error) => error?.name === "TimeoutError";

// A part of our own that is slow is as good as one that fails.
function hurried(promise) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("not answered in time")), PATIENCE_WITH_TIERS)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// What is being fetched, by the place where it will be: whether it was kept, and since when.
const flights = new Map();

// A flight whose request was cut off never lands.
function inFlight(name, patience) {
  const flight = flights.get(name);
  return flight && Date.now() - flight.since <= patience ? flight : undefined;
}

const NO_BODY = new Set([101, 204, 205, 304]);
const PATIENCE_WITH_CLOCK = 1_000;
const PATIENCE_WITH_TIERS = 1_000;
const PATIENCE_WITH_CARRIER = 20_000;
const COMPANY = 1_000;
const MOST_ROUNDS = 5;
const LARGEST_NAMED = 1 << 20;
const MOST_OF_A_CALL = 16_384;
const MOST_OF_A_LIST = 1 << 20;
const WARMED_AT_ONCE = 4;
const MOST_OF_A_CRON = 1_000;
