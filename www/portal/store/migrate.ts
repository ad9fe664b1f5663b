//! Database migrations: runs each file of `migrations/` once, in order, and records its name in the same
//! transaction. Servers that start concurrently take turns.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { type Database, sql } from "#portal/store/database.ts";

/** Returns the names of the migrations that were run. */
export async function migrate(database: Database, folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  return database.transaction(async (inside) => {
    // In SQLite, the transaction is exclusive.
    if (inside.kind === "postgres") await inside.query("lock", sql`select pg_advisory_xact_lock(8787)`);
    await inside.execute("create table if not exists migrations (name text primary key, applied_at bigint not null)");
    const rows = await inside.query<{ name: string }>("migrations", sql`select name from migrations`);
    const known = new Set(rows.map(({ name }) => name));
    const fresh = files.filter((file) => !known.has(file));
    for (const file of fresh) {
      await inside.execute(await readFile(join(folder, file), "utf8"));
      await inside.query("migrated", sql`insert into migrations (name, applied_at) values (${file}, ${Date.now()})`);
    }
    return fresh;
  });
}
