// The floor of a durable acknowledgement: an object receives the body unread and stores it before it
// responds, in groups, one row each without an index.
import { DurableObject } from "cloudflare:workers";

export default {
  /** @param {Request} request @param {any} env */
  fetch: async (request, env) => {
    await env.FLOOR.getByName("demo/0").tell(await request.text());
    return new Response(null, { status: 204 });
  },
};

export class Floor extends DurableObject {
  /** @type {string[]} */
  #rows = [];
  /** @type {Promise<void> | null} */
  #commit = null;

  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS beacons (body TEXT NOT NULL)");
  }

  /** @param {string} body */
  tell(body) {
    this.#rows.push(body);
    this.#commit ??= new Promise((resolve) => setTimeout(resolve, 2)).then(() => {
      const rows = this.#rows;
      this.#rows = [];
      this.#commit = null;
      this.ctx.storage.sql.exec("INSERT INTO beacons SELECT value FROM json_each(?)", JSON.stringify(rows));
    });
    return this.#commit;
  }
}
