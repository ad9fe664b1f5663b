//! Health of the portal, in the format health+json, which the edge polls as its origin's health; and receipt of
//! the windows that the edge pushes.

import { receive } from "edge-vitals/backend";

import { secrets } from "#portal/secrets.ts";
import { database } from "#portal/store/database.ts";
import { answers, keep } from "#portal/store/windows.ts";

export interface Check {
  status: "pass" | "fail";
  componentType: "datastore";
  observedValue: number;
  observedUnit: "ms";
  output?: string;
}

/** Checks the database, with a timeout. */
export async function databaseCheck(): Promise<Check> {
  const since = performance.now();
  const took = () => ({ componentType: "datastore" as const, observedValue: Math.round((performance.now() - since) * 10) / 10, observedUnit: "ms" as const });
  try {
    await Promise.race([answers(database()), late()]);
    return { status: "pass", ...took() };
  } catch (error) {
    // The cause is logged, not disclosed.
    console.error(`the database check failed: ${error instanceof Error ? error.message : error}`);
    return { status: "fail", ...took(), output: "the database does not answer" };
  }
}

export function said(document: { status: Check["status"]; checks: Record<string, Check[]> }): Response {
  return Response.json(document, {
    status: document.status === "pass" ? 200 : 503,
    headers: { "content-type": "application/health+json", "cache-control": "no-store" },
  });
}

/** Stores pushed windows: verified, fresh, and each document once. */
export const received = (request: Request) => {
  const { push: keys } = secrets();
  if (!Object.keys(keys).length) return Response.json({ error: "EDGE_VITALS_KEYS is not set here" }, { status: 503 });
  return receive({ keys, store: (push) => keep(database(), push) })(request);
};

function late(): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(`not within ${PATIENCE} ms`)), PATIENCE).unref());
}

const PATIENCE = 2_000;
