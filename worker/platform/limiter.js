// The rate limiters of a workerd of one's own. The counts of a period are dropped at its end.
import { WorkerEntrypoint } from "cloudflare:workers";

/** @type {Map<string, number>} */
const counts = new Map();
let period = 0;

/** Bounds the memory: more keys than this in a period are not limited. */
const MAX_KEYS = 200_000;

/** @extends {WorkerEntrypoint<unknown, { name: string, limit: number, seconds: number }>} */
export default class Limiter extends WorkerEntrypoint {
  /** @param {{ key: string }} options */
  limit({ key }) {
    const { name, limit, seconds } = this.ctx.props;
    const now = Math.floor(Date.now() / (seconds * 1000));
    if (now !== period) {
      counts.clear();
      period = now;
    }
    const counter = `${name} ${key}`;
    const count = (counts.get(counter) ?? 0) + 1;
    if (count > 1 || counts.size < MAX_KEYS) counts.set(counter, count);
    return { success: count <= limit };
  }
}
