// The product with a path that returns the number of shard instances. workerd creates a new instance
// after an eviction, which is the only trace of it from outside.
import product, { Shard as Shipped, TagClock } from "./index.js";

let instances = 0;

export class Shard extends Shipped {
  /** @param {any} state @param {any} env */
  constructor(state, env) {
    super(state, env);
    instances += 1;
  }
}

export { TagClock };

export default {
  .../** @type {any} */ (product),
  /** @param {Request} request @param {any} env @param {any} context */
  fetch: (request, env, context) => (request.url.endsWith("/made") ? new Response(String(instances)) : product.fetch(request, env, context)),
};
