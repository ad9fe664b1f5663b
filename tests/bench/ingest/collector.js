// A collector as one would write it in plain JavaScript, with the same guarantee: strict parsing, a
// journal with one row for each view, committed in groups; counts and histograms, folded by an alarm;
// and a response with the verdict of each metric.
import { DurableObject } from "cloudflare:workers";

const LIMITS = { FCP: 1500, LCP: 2000, CLS: 1000, INP: 200, FID: 100, TTFB: 800 };
const NAVIGATIONS = new Set(["navigate", "reload", "back-forward", "back-forward-cache", "prerender", "restore", "soft-navigation", "view"]);
const SITES = new Set(["demo"]);

export default {
  /** @param {Request} request @param {any} env */
  async fetch(request, env) {
    const url = new URL(request.url);
    if (request.method !== "POST" || url.pathname !== "/v1/vitals") return new Response(null, { status: 404 });
    const body = await readLimited(request);
    if (body === null) return new Response(null, { status: 413 });
    let beacon;
    try {
      beacon = JSON.parse(body);
    } catch {
      return new Response(null, { status: 400 });
    }
    const wrong = check(beacon);
    if (wrong) return Response.json({ status: 422, field: wrong }, { status: 422 });
    if (!SITES.has(beacon.site)) return new Response(null, { status: 404 });
    const agent = request.headers.get("user-agent") ?? "";
    const device = /iPad|Tablet/.test(agent) || (/Android/.test(agent) && !/Mobile/.test(agent)) ? "tablet" : /Mobi|iPhone/.test(agent) ? "phone" : "desktop";
    const labels = { r: beacon.route ?? template(beacon.path), d: device, n: beacon.nav, v: beacon.release, b: /bot|crawl|spider|headless/i.test(agent) || beacon.bot === 1 };
    const row = { k: `${beacon.id}.${beacon.view ?? 0}`, q: beacon.seq ?? 0, s: Date.now() - (beacon.age ?? 0), a: beacon.age ?? 0, t: { l: labels, m: beacon.m, w: beacon.w ?? 1 } };
    const stub = env.COLLECTOR.get(env.COLLECTOR.idFromName(`${beacon.site}/0`));
    const stored = await stub.fetch("https://shard.invalid/tell", { method: "POST", body: JSON.stringify(row) });
    if (stored.status !== 204) return new Response(null, { status: 503 });
    /** @type {Record<string, boolean>} */
    const within = {};
    for (const [metric, value] of Object.entries(beacon.m)) within[metric] = value <= LIMITS[/** @type {keyof typeof LIMITS} */ (metric)];
    return Response.json({ within });
  },
};

export class Collector extends DurableObject {
  /** @type {string[]} */
  #rows = [];
  /** @type {((stored: boolean) => void)[]} */
  #waiters = [];
  #armed = false;

  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec(`CREATE TABLE IF NOT EXISTS views (view TEXT PRIMARY KEY, start INTEGER, heard_at INTEGER, seq INTEGER, heard INTEGER, behind INTEGER, told TEXT, counted TEXT) WITHOUT ROWID`);
    ctx.storage.sql.exec(`CREATE INDEX IF NOT EXISTS views_behind ON views (view) WHERE behind`);
    ctx.storage.sql.exec(`CREATE INDEX IF NOT EXISTS views_heard_at ON views (heard_at)`);
    ctx.storage.sql.exec(`CREATE TABLE IF NOT EXISTS cells (start INTEGER, series TEXT, cell TEXT, PRIMARY KEY (start, series)) WITHOUT ROWID`);
  }

  /** @param {Request} request */
  async fetch(request) {
    const row = await request.text();
    /** @type {Promise<boolean>} */
    const stored = new Promise((resolve) => this.#waiters.push(resolve));
    if (this.#rows.push(row) === 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      this.#commit();
      if (!this.#armed) {
        this.#armed = true;
        await this.ctx.storage.setAlarm(Date.now() + 10_000);
      }
    }
    return new Response(null, { status: (await stored) ? 204 : 503 });
  }

  #commit() {
    const [rows, waiters] = [this.#rows, this.#waiters];
    [this.#rows, this.#waiters] = [[], []];
    let stored = true;
    try {
      this.ctx.storage.sql.exec(
        `INSERT INTO views (view, start, heard_at, seq, heard, behind, told)
         SELECT value ->> 'k', value ->> 's', ?2, value ->> 'q', 1 << (value ->> 'q'), 1, value -> 't' FROM json_each(?1) WHERE true
         ON CONFLICT (view) DO UPDATE SET heard_at = excluded.heard_at, told = iif(excluded.seq > seq, excluded.told, told),
           behind = behind OR excluded.heard & ~heard, heard = heard | excluded.heard, seq = max(seq, excluded.seq)`,
        `[${rows.join(",")}]`,
        Date.now(),
      );
    } catch {
      stored = false;
    }
    for (const waiter of waiters) waiter(stored);
  }

  alarm() {
    this.#armed = false;
    const { sql } = this.ctx.storage;
    const cells = new Map();
    const views = sql.exec("SELECT view, start, told, counted FROM views WHERE behind").toArray();
    /** @param {any} view @param {string} text @param {number} sign */
    const count = (view, text, sign) => {
      const { l, m, w } = JSON.parse(text);
      const key = `${Number(view.start) - (Number(view.start) % 60_000)} ${JSON.stringify(l)}`;
      const cell = cells.get(key) ?? { n: 0, m: {} };
      cell.n += sign;
      for (const [metric, value] of Object.entries(m)) {
        const histogram = (cell.m[metric] ??= {});
        const bucket = value < 32 ? value : Math.floor(Math.log2(value) * 64);
        histogram[bucket] = (histogram[bucket] ?? 0) + sign * w;
      }
      cells.set(key, cell);
    };
    for (const view of views) {
      if (view.counted) count(view, String(view.counted), -1);
      count(view, String(view.told), 1);
    }
    for (const [key, cell] of cells) {
      const at = key.indexOf(" ");
      sql.exec("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", Number(key.slice(0, at)), key.slice(at + 1), JSON.stringify(cell));
    }
    sql.exec("UPDATE views SET behind = 0, counted = told WHERE behind");
  }
}

/** Reads the body up to the limit. @param {Request} request */
async function readLimited(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of /** @type {any} */ (request.body)) {
    length += chunk.byteLength;
    if (length > 16_384) return null;
    chunks.push(chunk);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
}

/** Returns the first invalid field. @param {any} beacon */
function check(beacon) {
  const isInteger = (/** @type {unknown} */ value, /** @type {number} */ most) => value === undefined || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most);
  if (beacon?.v !== 1) return "v";
  if (!/^[\w.-]{1,64}$/.test(beacon.site)) return "site";
  if (!/^[0-9a-f]{16,32}$/.test(beacon.id)) return "id";
  if (!isInteger(beacon.view, 65535)) return "view";
  if (!isInteger(beacon.seq, 31)) return "seq";
  if (!NAVIGATIONS.has(beacon.nav)) return "nav";
  if (typeof beacon.path !== "string" || !/^\/[^\u0000-\u001f]{0,1023}$/.test(beacon.path)) return "path";
  if (!isInteger(beacon.age, 86_400_000)) return "age";
  for (const [name, value] of Object.entries(beacon.m ?? {})) if (!(name in LIMITS) || !isInteger(value, 600_000)) return `m.${name}`;
  if (!isInteger(beacon.w, 10_000)) return "w";
  return null;
}

/** @param {string} path */
function template(path) {
  return path
    .split("/")
    .map((segment) => (/^\d+$/.test(segment) || (/^[0-9a-f-]{8,}$/i.test(segment) && /\d/.test(segment)) || segment.includes("@") ? ":id" : segment))
    .join("/");
}
