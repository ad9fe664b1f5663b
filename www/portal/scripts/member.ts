//! `PASSWORD=… npm run member -- EMAIL NAME [member|editor]`: creates a member, or sets a new password.

import { join } from "node:path";

import { open } from "#portal/store/database.ts";
import { enrol } from "#portal/store/members.ts";
import { migrate } from "#portal/store/migrate.ts";

console.log("Makes a member of the portal, or gives one a new password and role.");
const [email = "", name = "", role = "member"] = process.argv.slice(2);
const { PASSWORD = "" } = process.env;
if (!/^\S+@\S+$/.test(email) || !name || (role !== "member" && role !== "editor") || PASSWORD.length < 12) {
  console.error("✗ invalid arguments; pass an email address, a name and `member` or `editor`, and set PASSWORD to at least 12 characters:\n  PASSWORD=… npm run member -- editor@portal.example 'An editor' editor");
  process.exit(2);
}
const database = open(process.env);
try {
  await migrate(database, join(import.meta.dirname, "../migrations"));
  await enrol(database, { email, name, role }, PASSWORD);
  console.log(`${email} may sign in as ${role}.`);
} finally {
  await database.close();
}
