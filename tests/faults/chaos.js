// The product with dependencies that fail on demand. `/faults` takes the fault of each dependency by its name, and
// `clock`, the milliseconds by which the clock is wrong; it answers once no append of an earlier fault is under way.
// `/ring` runs the alarm of a shard a number of times at once, and `/cron` the cron. Rate limiters count like the platform's
// by the limits for a minute in `RATE_LIMITS`; without, they admit everybody. Static files, the Cache API, KV of the cache
// and origins are services outside.
import product, { Shard as WorkingShard, TagClock as WorkingClock } from "./index.js";

/** @type {Record<string, string | number>} */
let faults = {};
let appendsUnderWay = 0;
let clockError = 0;

const TrueDate = Date;
globalThis.Date = class extends TrueDate {
  /** @param {...any} values */
  constructor(...values) {
    if (values.length === 0) super(TrueDate.now() + clockError);
    else super(...values);
  }

  static now() {
    return TrueDate.now() + clockError;
  }
};

/** @param {number} ms */
const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when that is true; each step is a timer of this call's own. @param {() => boolean} isDue */
async function until(isDue) {
  while (!isDue()) await delay(5);
}

/**
 * Calls a dependency, or does what its fault makes of the call. One that hangs fails once the fault is over.
 * @param {string} dependency @param {() => any} make @param {() => any} lie
 */
async function call(dependency, make, lie) {
  const fault = faults[dependency];
  if (!fault) return make();
  const given = faults;
  if (fault === "hangs") await until(() => faults !== given);
  if (fault === "slow") await delay(SLOW_MS);
  if (fault === "forgets") await make();
  if (["hangs", "errors", "forgets"].includes(String(fault))) throw new Error(`${dependency}: ${fault}`);
  return fault === "lies" ? lie() : make();
}

/**
 * Makes a method of a binding, which may also throw instead of returning a promise.
 * @param {string} dependency @param {(...values: any[]) => any} work @param {any} lie
 */
const method = (dependency, work, lie) => (/** @type {any[]} */ ...values) => {
  if (faults[dependency] === "throws") throw new Error(`${dependency}: throws`);
  return call(dependency, () => work(...values), () => lie);
};

/** @type {Record<string, number>} */
let limits = {};

/** @param {string} dependency */
function limiter(dependency) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  let minute = 0;
  const count = (/** @type {{ key: string }} */ { key }) => {
    const now = Math.floor(TrueDate.now() / 60_000);
    if (now !== minute) counts.clear();
    minute = now;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return { success: /** @type {number} */ (counts.get(key)) <= (limits[dependency] ?? Infinity) };
  };
  return { limit: method(dependency, count, undefined) };
}

const never = () => new Promise(() => {});
const bindings = {
  INGEST_RATE: limiter("the limiter of networks"),
  SITE_RATE: limiter("the limiter of sites"),
  READ_RATE: limiter("the limiter of reads"),
  // Without a value: the file is read next.
  BUDGETS: { get: method("budgets in KV", () => null, "rubbish"), getWithMetadata: never, put: never, list: never, delete: never },
};

/** @param {any} env */
function faulty(env) {
  limits = env.RATE_LIMITS ?? {};
  return { ...env, ...bindings };
}

let isPatched = false;

/** Lets storage fail. The getters of the platform return new objects, so their prototypes are patched. @param {any} storage */
function patchStorage(storage) {
  if (isPatched) return;
  isPatched = true;
  const sql = Object.getPrototypeOf(storage.sql);
  const { exec } = sql;
  /** @param {string} statement @param {...any} values */
  sql.exec = function (statement, ...values) {
    const fault = faults["the database"];
    const isWrite = /^\s*(INSERT|UPDATE|CREATE|ALTER)/.test(statement);
    if (fault === "errors" || (fault === "full" && isWrite)) throw new Error(`the database: ${fault}`);
    const left = Number(faults.evictAfter ?? 0);
    if (left > 0) faults.evictAfter = left - 1;
    // Never in the middle of a call: the platform evicts where an event waits or has ended.
    if (left === 1) queueMicrotask(evict);
    return exec.call(this, statement, ...values);
  };
  const prototype = Object.getPrototypeOf(storage);
  const { setAlarm } = prototype;
  /** @param {...any} values */
  prototype.setAlarm = function (...values) {
    return call("the setting of alarms", () => setAlarm.apply(this, values), () => undefined);
  };
}

/** @type {any} The context of the last shard that was created. */
let lastContext;
let evictions = 0;

function evict() {
  evictions += 1;
  // Nothing in that object goes on.
  appendsUnderWay = 0;
  lastContext.abort("evicted");
}

export class Shard extends WorkingShard {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, faulty(env));
    lastContext = ctx;
    patchStorage(ctx.storage);
  }

  /** @param {Request} request */
  fetch(request) {
    const { ctx } = /** @type {any} */ (this);
    const dependency = ctx.id.name.endsWith("/0") ? "reads of the coordinator" : "reads of a shard";
    return call(dependency, () => super.fetch(request), () => new Response("rubbish"));
  }

  /** @param {string[]} rows @param {boolean} [isAwaited] @param {number} [dayShare] */
  async append(rows, isAwaited, dayShare) {
    const store = () => super.append(rows, isAwaited, dayShare);
    appendsUnderWay += 1;
    try {
      return await call("appends", store, async () => void (await store()));
    } finally {
      appendsUnderWay -= 1;
    }
  }

  /** @param {number} times */
  async ring(times) {
    const outcomes = await Promise.allSettled(Array.from({ length: times }, () => super.alarm()));
    return outcomes.filter(({ status }) => status === "rejected").length;
  }
}

export class TagClock extends WorkingClock {
  /** @param {Request} request */
  fetch(request) {
    return call("the purge clock", () => super.fetch(request), () => new Response("{"));
  }
}

export default {
  .../** @type {any} */ (product),
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/faults":
        faults = await request.json();
        clockError = Number(faults.clock ?? 0);
        if (Object.keys(faults).every((name) => name === "clock")) await until(() => appendsUnderWay === 0);
        return new Response("");
      case "/ring":
        return Response.json(await env.SHARDS_OF_SITES.getByName(searchParams.get("shard")).ring(Number(searchParams.get("times"))));
      case "/evictions":
        return Response.json(evictions);
      case "/cron":
        await product.scheduled({ cron: "*/15 * * * *", scheduledTime: Date.now() }, faulty(env), context);
        return new Response("");
      default:
        return product.fetch(request, faulty(env), context);
    }
  },
};

// Longer than the longest deadline of what a beacon waits for.
const SLOW_MS = 400;
