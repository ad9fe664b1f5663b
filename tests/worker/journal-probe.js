// The product with its storage observed: `/rows-written` returns the rows written to each table since the last call, as
// SQLite's cursors report them and the platform bills them, with alarms that were set as `alarms`; `/full` makes every write but a deletion fail, as in a full
// database, until `/usable`; `/cron` runs the cron.
import product, { Shard as Shipped, TagClock } from "./index.js";

/** @type {Record<string, number>} */
let written = {};
let isFull = false;
let isPatched = false;

export class Shard extends Shipped {
  /** @param {any} state @param {any} env */
  constructor(state, env) {
    super(state, env);
    if (isPatched) return;
    isPatched = true;
    const storage = Object.getPrototypeOf(state.storage);
    const { setAlarm } = storage;
    /** @param {...any} values */
    storage.setAlarm = function (...values) {
      written.alarms = (written.alarms ?? 0) + 1;
      return setAlarm.apply(this, values);
    };
    const prototype = Object.getPrototypeOf(state.storage.sql);
    const { exec } = prototype;
    /** @param {string} statement @param {...any} values */
    prototype.exec = function (statement, ...values) {
      const table = statement.match(/^\s*(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) (\w+)/)?.[1];
      if (isFull && table && !statement.startsWith("DELETE")) throw new Error("database or disk is full: SQLITE_FULL");
      const cursor = exec.call(this, statement, ...values);
      if (table) written[table] = (written[table] ?? 0) + cursor.rowsWritten;
      return cursor;
    };
  }
}

export { TagClock };

export default {
  .../** @type {any} */ (product),
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/rows-written": {
        const response = Response.json(written);
        written = {};
        return response;
      }
      case "/full":
      case "/usable":
        isFull = pathname === "/full";
        return new Response();
      case "/cron":
        await product.scheduled({ cron: "*/15 * * * *", scheduledTime: Date.now() }, env, context);
        return new Response();
      default:
        return product.fetch(request, env, context);
    }
  },
};
