//! SQLite of Node, with one connection. Work is serialized, so that statements of other requests do not join a
//! transaction in progress.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { track } from "edge-vitals/backend";

import { type Database, type Statement, textOf } from "#portal/store/database.ts";

export function openSqlite(file: string): Database {
  const connection = new DatabaseSync(file);
  connection.exec("pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000");
  const prepared = new Map<string, StatementSync>();

  function run<Row>({ values, ...statement }: Statement): Row[] {
    const text = textOf({ values, ...statement }, "?");
    const ready = prepared.get(text) ?? connection.prepare(text);
    // Lists produce many distinct statements, so the cache is bounded.
    if (prepared.size < 200) prepared.set(text, ready);
    // Plain objects, which React can serialize: SQLite's rows have no prototype.
    return ready.all(...values).map((row) => ({ ...row })) as Row[];
  }

  const inside: Database = {
    kind: "sqlite",
    query: (name, statement) => track(name, async () => run(statement)),
    transaction: (work) => work(inside),
    execute: async (text) => connection.exec(text),
    close: async () => connection.close(),
  };

  async function whole<Result>(work: (inside: Database) => Promise<Result>): Promise<Result> {
    connection.exec("begin immediate");
    try {
      const result = await work(inside);
      connection.exec("commit");
      return result;
    } catch (error) {
      if (connection.isTransaction) connection.exec("rollback");
      throw error;
    }
  }

  let last: Promise<unknown> = Promise.resolve();
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  return {
    kind: "sqlite",
    query: (name, statement) => inTurn(() => inside.query(name, statement)),
    transaction: (work) => inTurn(() => whole(work)),
    execute: (text) => inTurn(() => inside.execute(text)),
    close: () => inTurn(inside.close),
  };
}
