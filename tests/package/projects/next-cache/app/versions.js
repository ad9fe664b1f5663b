// The database of the tests: a file.
import { readFile } from "node:fs/promises";

export async function readVersions() {
  const { VERSIONS_FILE } = process.env;
  return VERSIONS_FILE ? JSON.parse(await readFile(VERSIONS_FILE, "utf8")) : {};
}
