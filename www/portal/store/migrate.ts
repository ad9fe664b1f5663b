//! Brings a database to what the portal expects: each file of `migrations/` once, in their order, each
//! with its name in one transaction. Several servers that start at once do it one after the other.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { type Database, sql } from "#portal/store/database.ts";

/** The names of the files that were new to this database. */
export async function migrate(database: Database, folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  return database.transaction(async (inside) => {
    // SQLite's transaction already keeps the others out.
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
