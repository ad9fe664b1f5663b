//! What the portal asks of a database, whichever it is: SQLite in a file beside it, or PostgreSQL where
//! `DATABASE_URL` names one. A statement is written once, for both; values never become part of its text.

import { openPostgres } from "#portal/store/postgres.ts";
import { openSqlite } from "#portal/store/sqlite.ts";

export interface Database {
  readonly kind: "sqlite" | "postgres";
  /** The rows that a statement gives. The name is what `Server-Timing` calls it. */
  query<Row>(name: string, statement: Statement): Promise<Row[]>;
  /** All that is done inside, or nothing of it. */
  transaction<Result>(work: (inside: Database) => Promise<Result>): Promise<Result>;
  /** Several statements without values: what migrations are made of. */
  execute(text: string): Promise<void>;
  close(): Promise<void>;
}

export type Value = string | number | null;

/** A statement with holes, and what goes into them. */
export interface Statement {
  readonly parts: readonly string[];
  readonly values: readonly Value[];
}

/** `sql\`select … where id = ${id} and kind in (${kinds})\`` */
export function sql(texts: TemplateStringsArray, ...given: readonly (Value | readonly Value[])[]): Statement {
  const parts = [texts[0] ?? ""];
  const values: Value[] = [];
  given.forEach((value, index) => {
    // Nothing is in an empty list, and `in (null)` says so in both databases.
    const all = isList(value) ? (value.length ? value : [null]) : [value];
    all.forEach((each, place) => {
      if (place) parts.push(", ");
      values.push(each);
    });
    parts.push(texts[index + 1] ?? "");
  });
  return { parts, values };
}

/** The text as a database wants it: each hole by its number. */
export function textOf({ parts }: Statement, hole: "?" | "$"): string {
  return parts.reduce((text, part, index) => `${text}${hole}${index}${part}`);
}

/** The portal's own, opened when it is first asked for. */
export function database(): Database {
  return (shared[PORTAL] ??= open(process.env));
}

export function open({ DATABASE_URL, SQLITE_FILE = "portal.sqlite" }: NodeJS.ProcessEnv): Database {
  if (!DATABASE_URL) return openSqlite(SQLITE_FILE);
  if (/^postgres(ql)?:/.test(DATABASE_URL)) return openPostgres(DATABASE_URL);
  throw new Error("DATABASE_URL must begin with postgres://; without it the portal keeps its data in SQLite");
}

function isList(value: Value | readonly Value[]): value is readonly Value[] {
  return Array.isArray(value);
}

/** Next.js bundles each route for itself, and all of them share one connection. */
const PORTAL = Symbol.for("portal.database");
const shared = globalThis as { [PORTAL]?: Database };
