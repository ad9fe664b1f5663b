// The product with shards that fail on demand, both for counting and for storing: `/down` starts the
// failure and `/up` ends it.
import product, { Shard as WorkingShard, TagClock } from "./index.js";

let isDown = false;

export class Shard extends WorkingShard {
  /** @param {Request} request */
  fetch(request) {
    if (isDown) throw new Error("the shard is unavailable");
    return super.fetch(request);
  }

  /** @param {string[]} rows */
  append(rows) {
    if (isDown) throw new Error("the shard is unavailable");
    return super.append(rows);
  }
}

export { TagClock };

export default {
  ...product,
  /** @param {Request} request @param {any} env @param {any} context */
  fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/down" && pathname !== "/up") return product.fetch(request, env, context);
    isDown = pathname === "/down";
    return new Response("");
  },
};
