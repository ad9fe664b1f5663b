// The product with shards and limiters that fail in every way, on demand. `/faults` takes the number of shards that
// answer a read only together (`together`); shards by number that throw (`down`), reply with 503 (`refuse`), hang
// (`hang`) or wait for another's reply (`last`); whether rate limiters hang (`hangLimiters`) or reject everybody
// (`exceedLimits`); and whether reads are over their rate (`refuseReads`). `/asked` returns the number of calls, and the
// most that waited at once. Faults of what beacons need are in tests/faults/chaos.js.
import product, { Shard as WorkingShard, TagClock } from "./index.js";

const NONE = { together: 0, down: [], refuse: [], hang: [], last: [], hangLimiters: false, exceedLimits: false, refuseReads: false };
/** @type {{ together: number, down: number[], refuse: number[], hang: number[], last: number[], hangLimiters: boolean, exceedLimits: boolean, refuseReads: boolean }} */
let faults = NONE;
/** @type {(() => void)[]} */
let waiting = [];
let mostAtOnce = 0;
let replies = 0;
let asked = 0;

/** Resolves when that is true; each step is a timer of this call's own. @param {() => boolean} isDue */
async function until(isDue) {
  while (!isDue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const forever = () => new Promise(() => {});
const limiter = { limit: () => (faults.hangLimiters ? forever() : Promise.resolve({ success: !faults.exceedLimits })) };
const readLimiter = { limit: () => (faults.hangLimiters ? forever() : Promise.resolve({ success: !faults.refuseReads })) };

/** @param {any} env */
const faultyEnv = (env) => ({ ...env, INGEST_RATE: limiter, SITE_RATE: limiter, READ_RATE: readLimiter });

export class Shard extends WorkingShard {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, faultyEnv(env));
  }

  get #number() {
    const { ctx } = /** @type {any} */ (this);
    return Number(ctx.id.name.split("/").at(-1));
  }

  /** @param {Request} request */
  async fetch(request) {
    const number = this.#number;
    asked += 1;
    if (faults.down.includes(number)) throw new Error("the shard is unavailable");
    if (faults.refuse.includes(number)) return new Response(null, { status: 503 });
    if (faults.hang.includes(number)) return new Promise((resolve) => setTimeout(() => resolve(new Response(null, { status: 503 })), 600_000));
    if (faults.together > 0) {
      const { together } = faults;
      waiting.push(() => {});
      mostAtOnce = Math.max(mostAtOnce, waiting.length);
      await until(() => waiting.length >= together || faults.together !== together);
    }
    if (faults.last.includes(number)) await until(() => replies > 0);
    const reply = await super.fetch(request);
    replies += 1;
    return reply;
  }
}

export { TagClock };

export default {
  ...product,
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === "/asked") return Response.json({ asked, mostAtOnce });
    if (pathname !== "/faults") return product.fetch(request, faultyEnv(env), context);
    faults = { ...NONE, ...(await request.json()) };
    [waiting, mostAtOnce, replies, asked] = [[], 0, 0, 0];
    return new Response("");
  },
};
