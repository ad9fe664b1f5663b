//! Pushed windows, each in its highest revision, and verdict transitions. Retention: minutes for 3 days, hours for
//! 40 days, transitions for 400 days, days forever.

import type { Push } from "edge-vitals/backend";

import { type Database, sql } from "#portal/store/database.ts";

/** The parts of a pushed document that the portal shows (docs/push.md has them all). */
export interface WindowDocument {
  v: number;
  site: string;
  span: "minute" | "hour" | "day";
  start: number;
  end: number;
  revision: number;
  views: number;
  visits: number;
  cells: readonly {
    route: string;
    device: string;
    metric: string;
    unit: string;
    n: number;
    p75: number | null;
    budget?: { max: number; percentile: number; n: number; k: number };
    verdict: string;
  }[];
  scores: readonly { route: string; device: string; score: number }[];
  requests?: { n: number; errors: number; p50: number | null; p95: number | null };
  cache?: { hits: number; misses: Readonly<Record<string, number>> };
  transitions: readonly { route: string; device: string; metric: string; from?: string; to: string }[];
}

export interface Transition {
  told_at: number;
  route: string;
  device: string;
  metric: string;
  verdict_before: string | null;
  verdict_after: string;
}

/** Stores a document and its key in one transaction; returns false if the key exists. */
export function keep(database: Database, { key, site, span, start, revision, document }: Push, now = Date.now()): Promise<boolean> {
  const told = document as WindowDocument;
  const startAt = start.getTime();
  return database.transaction(async (inside) => {
    const fresh = await inside.query("receipt", sql`insert into receipts (key, received_at) values (${key}, ${now}) on conflict do nothing returning key`);
    if (!fresh.length) return false;
    await inside.query(
      "keepWindow",
      sql`insert into windows (site, span, start_at, revision, views, document, received_at)
        values (${site}, ${span}, ${startAt}, ${revision}, ${told.views ?? 0}, ${JSON.stringify(document)}, ${now})
        on conflict (site, span, start_at) do update
        set revision = excluded.revision, views = excluded.views, document = excluded.document, received_at = excluded.received_at
        where excluded.revision > windows.revision`,
    );
    for (const [number, { route, device, metric, from, to }] of (told.transitions ?? []).entries()) {
      await inside.query(
        "keepTransition",
        sql`insert into transitions (key, number, site, told_at, route, device, metric, verdict_before, verdict_after)
          values (${key}, ${number}, ${site}, ${startAt}, ${route}, ${device}, ${metric}, ${from ?? null}, ${to})`,
      );
    }
    // Expire old windows once a day, when the day's window arrives.
    if (span === "day") await forget(inside, site, now);
    return true;
  });
}

async function forget(database: Database, site: string, now: number): Promise<void> {
  await database.query("forgetMinutes", sql`delete from windows where span = ${"minute"} and start_at < ${now - 3 * DAY}`);
  await database.query("forgetHours", sql`delete from windows where span = ${"hour"} and start_at < ${now - 40 * DAY}`);
  await database.query("forgetTransitions", sql`delete from transitions where site = ${site} and told_at < ${now - 400 * DAY}`);
  await database.query("forgetReceipts", sql`delete from receipts where received_at < ${now - 40 * DAY}`);
}

/** Newest first. */
export async function latestWindows(database: Database, site: string, span: string, most: number): Promise<WindowDocument[]> {
  const rows = await database.query<{ document: string }>(
    "latestWindows",
    sql`select document from windows where site = ${site} and span = ${span} order by start_at desc limit ${most}`,
  );
  return rows.map(({ document }) => JSON.parse(document));
}

export function latestTransitions(database: Database, site: string, most: number): Promise<Transition[]> {
  return database.query(
    "latestTransitions",
    sql`select told_at, route, device, metric, verdict_before, verdict_after from transitions where site = ${site} order by told_at desc limit ${most}`,
  );
}

/** The time of the last push; null if there was none. */
export async function lastReceived(database: Database): Promise<number | null> {
  const [row] = await database.query<{ received_at: number | null }>("lastReceived", sql`select max(received_at) as received_at from windows`);
  return row?.received_at ?? null;
}

export async function answers(database: Database): Promise<void> {
  await database.query("check", sql`select 1 as one`);
}

export async function counted(database: Database): Promise<{ products: number; members: number; reviews: number; windows: number }> {
  const [row] = await database.query<{ products: number; members: number; reviews: number; windows: number }>(
    "counts",
    sql`select (select count(*) from products) as products, (select count(*) from members) as members,
      (select count(*) from reviews) as reviews, (select count(*) from windows) as windows`,
  );
  if (!row) throw new Error("count query returned no row");
  return row;
}

const DAY = 86_400_000;
