// `trackPg` of `edge-vitals/backend` around the real driver before a real PostgreSQL: a page that asks once for each row is
// told from one that asks once.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";

import { trackPg, watchRequests } from "../../pkg/backend/timing.js";
import { startPostgres } from "./postgres.mjs";

const pg = createRequire(new URL("../../www/portal/package.json", import.meta.url))("pg");

test("each query of a request is named in Server-Timing, whatever the form of its call", async () => {
  const database = await startPostgres();
  const pool = trackPg(new pg.Pool({ connectionString: database.url }));
  // The server ends connections that the pool has not closed yet.
  pool.on("error", () => {});
  watchRequests();
  const server = createServer(async (request, response) => {
    const one = (/** @type {number} */ id) => pool.query("select * from products where id = $1", [id]);
    if (request.url === "/each") await Promise.all([1, 2, 3, 4, 5].map(one));
    else if (request.url === "/once") await pool.query({ name: "productsById", text: "select * from products where id = any($1)", values: [[1, 2, 3]] });
    else if (request.url === "/callback") await new Promise((resolve) => pool.query("select 1", resolve));
    else await pool.query('UPDATE "products" set name = name').then(() => pool.query("select nothing from nowhere").catch(() => {}));
    response.end("done");
  });
  try {
    await pool.query("create table products (id integer primary key, name text)");
    await pool.query("insert into products select id, 'plant ' || id from generate_series(1, 5) id");
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const timing = async (/** @type {string} */ path) => ((await fetch(`http://127.0.0.1:${port}${path}`)).headers.get("server-timing") ?? "").replace(/dur=[\d.]+/g, "dur=");
    assert.equal(await timing("/each"), Array(5).fill('db;dur=;desc="select products"').join(", "));
    assert.equal(await timing("/once"), 'db;dur=;desc="productsById"');
    assert.equal(await timing("/callback"), "");
    assert.equal(await timing("/write"), 'db;dur=;desc="update products", db;dur=;desc="select nowhere"');
  } finally {
    server.closeAllConnections();
    server.close();
    await pool.end();
    await database.close();
  }
});
