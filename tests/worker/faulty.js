// The product with shards that can be out of order: `/down` and `/up` say so, for the object that counts
// as well as for the one that stores.
import product, { Shard as Sound, TagClock } from "./index.js";

let isDown = false;

export class Shard extends Sound {
  /** @param {Request} request */
  fetch(request) {
    if (isDown) throw new Error("the shard is out of order");
    return super.fetch(request);
  }

  /** @param {string[]} rows */
  append(rows) {
    if (isDown) throw new Error("the shard is out of order");
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
