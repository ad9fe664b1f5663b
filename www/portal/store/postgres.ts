//! PostgreSQL with a connection pool. int8 values are returned as numbers: times, counts and prices are all far
//! below 2^53.

import { track } from "edge-vitals/backend";
import pg from "pg";

import { type Database, type Statement, textOf } from "#portal/store/database.ts";

export function openPostgres(url: string): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    types: { getTypeParser: (id, format) => (id === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(id, format)) },
  });
  // The pool replaces a broken idle connection; without a listener, the error would terminate the server.
  pool.on("error", (error) => console.error(`a connection to PostgreSQL broke: ${error.message}`));
  return {
    ...over(pool),
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query("begin");
        const inside: Database = { ...over(client), transaction: (more) => more(inside), close: async () => {} };
        const result = await work(inside);
        await client.query("commit");
        client.release();
        return result;
      } catch (error) {
        // A connection that fails to roll back is not reused.
        await client.query("rollback").then(() => client.release(), (broken: Error) => client.release(broken));
        throw error;
      }
    },
    close: () => pool.end(),
  };
}

function over(connection: Pick<pg.Pool, "query">): Pick<Database, "kind" | "query" | "execute"> {
  return {
    kind: "postgres",
    query: <Row>(name: string, statement: Statement) =>
      track(name, async () => (await connection.query({ text: textOf(statement, "$"), values: [...statement.values] })).rows as Row[]),
    execute: async (text) => void (await connection.query(text)),
  };
}
