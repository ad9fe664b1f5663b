// The product with paths that run its cron, which workerd alone never triggers, and the alarm of a site's first object.
import product, { Shard as DeployedShard, TagClock } from "./index.js";

export class Shard extends DeployedShard {
  ring() {
    return super.alarm();
  }
}

export { TagClock };

export default {
  /** @param {Request} request @param {any} env @param {{ waitUntil(promise: Promise<unknown>): void }} context */
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === "/cron") await product.scheduled({ cron: "*/15 * * * *", scheduledTime: Date.now() }, env, context);
    else if (pathname === "/alarm") await env.SHARDS_OF_SITES.getByName("demo/0").ring();
    else return product.fetch(request, env, context);
    return new Response();
  },
};
