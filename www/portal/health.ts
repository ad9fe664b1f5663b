//! How the portal itself is, and what it does with the windows that the edge pushes. The edge asks for the
//! first as its origin's health, in the words of health+json.

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

/** Whether the database answers, and how soon. It is waited for no longer than a monitor would wait. */
export async function databaseCheck(): Promise<Check> {
  const since = performance.now();
  const took = () => ({ componentType: "datastore" as const, observedValue: Math.round((performance.now() - since) * 10) / 10, observedUnit: "ms" as const });
  try {
    await Promise.race([answers(database()), late()]);
    return { status: "pass", ...took() };
  } catch (error) {
    // Why is for the log: a stranger learns no more than that it fails.
    console.error(`the database does not answer: ${error instanceof Error ? error.message : error}`);
    return { status: "fail", ...took(), output: "the database does not answer" };
  }
}

export function said(document: { status: Check["status"]; checks: Record<string, Check[]> }): Response {
  return Response.json(document, {
    status: document.status === "pass" ? 200 : 503,
    headers: { "content-type": "application/health+json", "cache-control": "no-store" },
  });
}

/** Takes what the edge pushes: verified, fresh, and each document once. */
export const received = (request: Request) => {
  const { push: keys } = secrets();
  if (!Object.keys(keys).length) return Response.json({ error: "EDGE_VITALS_KEYS is not set here" }, { status: 503 });
  return receive({ keys, store: (push) => keep(database(), push) })(request);
};

function late(): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(`not within ${PATIENCE} ms`)), PATIENCE).unref());
}

const PATIENCE = 2_000;
