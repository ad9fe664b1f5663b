// The journal of a stopped shard, read without the product's code: keys are plain text in its blocks and folds.
/** @typedef {import("node:sqlite").DatabaseSync} DatabaseSync */

/** Returns the keys of the views of all folds, each once. @param {DatabaseSync} database */
export function foldedKeys(database) {
  return keysIn(database.prepare("SELECT keys AS bytes FROM folded").all());
}

/** Returns the keys of the views in blocks that are not folded, each once. @param {DatabaseSync} database */
export function pendingKeys(database) {
  return keysIn(database.prepare("SELECT body AS bytes FROM journal WHERE block > (SELECT coalesce(max(through), 0) FROM folded)").all());
}

/** Shifts the time of all rows, as if they had arrived earlier. @param {DatabaseSync} database @param {number} millis */
export function shiftJournal(database, millis) {
  for (const table of ["journal", "folded"]) database.prepare(`UPDATE ${table} SET at = at - ?`).run(millis);
}

/** @param {Record<string, unknown>[]} rows */
function keysIn(rows) {
  const keys = rows.flatMap(({ bytes }) => Buffer.from(/** @type {Uint8Array} */ (bytes)).toString("latin1").match(KEY) ?? []);
  return [...new Set(keys)];
}

const KEY = /[0-9a-f]{16,32}\.\d+|~[\w-]+\.[A-Z]+/g;
