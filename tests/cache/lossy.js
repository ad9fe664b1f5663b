// The product, whose first acknowledgement of each parcel that is carried is lost on its way; and an address
// that does what its cron does, because workerd alone has no clock for it.
import product, { Shard as Whole, TagClock } from "./index.js";

export { TagClock };

/** @type {Set<string>} */
const known = new Set();

export class Shard extends Whole {
  /** @param {Request} request */
  async fetch(request) {
    if (new URL(request.url).pathname !== "/traffic/carried") return super.fetch(request);
    const parcel = await request.clone().text();
    const answer = await super.fetch(request);
    if (known.has(parcel)) return answer;
    known.add(parcel);
    return new Response("lost", { status: 503 });
  }
}

export default {
  /** @param {Request} request @param {unknown} env @param {{ waitUntil(promise: Promise<unknown>): void }} context */
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== "/cron") return product.fetch(request, env, context);
    await product.scheduled({ cron: "*/15 * * * *", scheduledTime: Date.now() }, env, context);
    return new Response();
  },
};
