//! The database interface: SQLite in a local file, or PostgreSQL if `DATABASE_URL` is set. Statements work on
//! both, and values are always parameters.

import { openPostgres } from "#portal/store/postgres.ts";
import { openSqlite } from "#portal/store/sqlite.ts";

export interface Database {
  readonly kind: "sqlite" | "postgres";
  /** Runs a statement and returns its rows. The name appears in `Server-Timing`. */
  query<Row>(name: string, statement: Statement): Promise<Row[]>;
  /** Runs a transaction. */
  transaction<Result>(work: (inside: Database) => Promise<Result>): Promise<Result>;
  /** Runs several statements without values, for migrations. */
  execute(text: string): Promise<void>;
  close(): Promise<void>;
}

export type Value = string | number | null;

/** A statement with placeholders, and their values. */
export interface Statement {
  readonly parts: readonly string[];
  readonly values: readonly Value[];
}

/** `sql\`select … where id = ${id} and kind in (${kinds})\`` */
export function sql(texts: TemplateStringsArray, ...given: readonly (Value | readonly Value[])[]): Statement {
  const parts = [texts[0] ?? ""];
  const values: Value[] = [];
  given.forEach((value, index) => {
    // `in ()` is invalid SQL; `in (null)` matches nothing in both databases.
    const all = isList(value) ? (value.length ? value : [null]) : [value];
    all.forEach((each, place) => {
      if (place) parts.push(", ");
      values.push(each);
    });
    parts.push(texts[index + 1] ?? "");
  });
  return { parts, values };
}

/** The statement's text with numbered placeholders. */
export function textOf({ parts }: Statement, hole: "?" | "$"): string {
  return parts.reduce((text, part, index) => `${text}${hole}${index}${part}`);
}

/** The portal's database, opened on first use. */
export function database(): Database {
  return (shared[PORTAL] ??= open(process.env));
}

export function open({ DATABASE_URL, SQLITE_FILE = "portal.sqlite" }: NodeJS.ProcessEnv): Database {
  if (!DATABASE_URL) return openSqlite(SQLITE_FILE);
  if (/^postgres(ql)?:/.test(DATABASE_URL)) return openPostgres(DATABASE_URL);
  throw new Error("DATABASE_URL must begin with postgres://; unset it to use SQLite");
}

function isList(value: Value | readonly Value[]): value is readonly Value[] {
  return Array.isArray(value);
}

/** Next.js bundles each route separately; all bundles share one connection. */
const PORTAL = Symbol.for("portal.database");
const shared = globalThis as { [PORTAL]?: Database };
