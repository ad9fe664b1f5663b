// A Worker in Rust that says what has crossed to and from it.
import { seen } from "./counting.js";
import * as worker from "./index.js";

export * from "./index.js";

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  fetch: (request, env, context) => (request.url.endsWith("/crossings") ? Response.json(seen) : /** @type {any} */ (worker.default).fetch(request, env, context)),
};
