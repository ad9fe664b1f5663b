// The product with a path that returns the rows written to the tables of the journal since the last call, as SQLite's
// cursors report them. The same numbers are billed.
import product, { Shard as Shipped, TagClock } from "./index.js";

/** @type {Record<string, number>} */
let written = {};
let isPatched = false;

export class Shard extends Shipped {
  /** @param {any} state @param {any} env */
  constructor(state, env) {
    super(state, env);
    if (isPatched) return;
    isPatched = true;
    const prototype = Object.getPrototypeOf(state.storage.sql);
    const { exec } = prototype;
    /** @param {string} statement @param {...any} values */
    prototype.exec = function (statement, ...values) {
      const cursor = exec.call(this, statement, ...values);
      const table = statement.match(/^\s*(?:INSERT (?:OR REPLACE )?INTO|UPDATE|DELETE FROM) (\w+)/)?.[1];
      if (table) written[table] = (written[table] ?? 0) + cursor.rowsWritten;
      return cursor;
    };
  }
}

export { TagClock };

export default {
  .../** @type {any} */ (product),
  /** @param {Request} request @param {any} env @param {any} context */
  fetch(request, env, context) {
    if (new URL(request.url).pathname !== "/rows-written") return product.fetch(request, env, context);
    const response = Response.json(written);
    written = {};
    return response;
  },
};
