//! Health for monitors: the overall status and the database check.

import { databaseCheck, received, said } from "#portal/health.ts";

export const dynamic = "force-dynamic";

export async function GET(): Promise<Response> {
  const check = await databaseCheck();
  return said({ status: check.status, checks: { "database:responseTime": [check] } });
}

export const POST = received;
