// The product, with one more question: how often a shard was made. workerd makes an object anew when it
// was let go of, and in no other way can it be seen from outside that it was.
import product, { Shard as Shipped, TagClock } from "./index.js";

let made = 0;

export class Shard extends Shipped {
  /** @param {any} state @param {any} env */
  constructor(state, env) {
    super(state, env);
    made += 1;
  }
}

export { TagClock };

export default {
  .../** @type {any} */ (product),
  /** @param {Request} request @param {any} env @param {any} context */
  fetch: (request, env, context) => (request.url.endsWith("/made") ? new Response(String(made)) : product.fetch(request, env, context)),
};
