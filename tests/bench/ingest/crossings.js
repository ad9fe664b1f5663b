// A Rust Worker with a path that returns its counts of crossings.
import { counts } from "./counting.js";
import * as worker from "./index.js";

export * from "./index.js";

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  fetch: (request, env, context) => (request.url.endsWith("/crossings") ? Response.json(counts) : /** @type {any} */ (worker.default).fetch(request, env, context)),
};
