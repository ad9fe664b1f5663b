//! Detailed health: the database, stored windows, and the time of the edge's last push.

import { databaseCheck, received, said } from "#portal/health.ts";
import { database } from "#portal/store/database.ts";
import { counted, lastReceived } from "#portal/store/windows.ts";

export const dynamic = "force-dynamic";

export async function GET(): Promise<Response> {
  const check = await databaseCheck();
  const isUp = check.status === "pass";
  const document = {
    status: check.status,
    releaseId: process.env.RELEASE ?? "",
    uptime: Math.round(process.uptime()),
    checks: { "database:responseTime": [{ ...check, componentId: database().kind }] },
    counts: isUp ? await counted(database()) : null,
    windowReceivedAt: isUp ? await lastReceived(database()) : null,
  };
  return said(document);
}

export const POST = received;
