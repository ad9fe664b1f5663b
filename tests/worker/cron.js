// The product with a path that runs its cron, because workerd alone never triggers it.
import product, { Shard, TagClock } from "./index.js";

export { Shard, TagClock };

export default {
  /** @param {Request} request @param {unknown} env @param {{ waitUntil(promise: Promise<unknown>): void }} context */
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== "/cron") return product.fetch(request, env, context);
    await product.scheduled({ cron: "*/15 * * * *", scheduledTime: Date.now() }, env, context);
    return new Response();
  },
};
