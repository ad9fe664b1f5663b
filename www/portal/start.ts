//! Startup: validates secrets, instruments requests, and migrates the database.

import { join } from "node:path";
import { watchRequests } from "edge-vitals/backend";

import { secrets } from "#portal/secrets.ts";
import { database } from "#portal/store/database.ts";
import { migrate } from "#portal/store/migrate.ts";

export async function start(): Promise<void> {
  secrets();
  watchRequests();
  await migrate(database(), join(process.cwd(), "migrations"));
}
