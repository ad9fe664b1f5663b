// Shifts the stored data of a stopped workerd into the past, in place of waiting.
import { DatabaseSync } from "node:sqlite";

import { databases } from "../faults/workerd.mjs";

/** Changes the database of a site's first shard, recognized by its fact `site`. @param {string} storage @param {(database: DatabaseSync) => void} change */
export function changeDatabase(storage, change) {
  for (const file of databases(storage, "Shard")) {
    const database = new DatabaseSync(file);
    const isFirst = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'facts'").get() && database.prepare("SELECT 1 FROM facts WHERE name = 'site'").get();
    if (isFirst) change(database);
    database.close();
  }
}

/** Shifts every time in the alert state by `millis` into the past. @param {DatabaseSync} database @param {number} millis */
export function shiftAlerts(database, millis) {
  const shift = (/** @type {unknown} */ text) => String(text).replace(/\b1[789]\d{11}\b/g, (time) => String(Number(time) - millis));
  const row = database.prepare("SELECT value FROM facts WHERE name = 'alerts'").get();
  database.prepare("UPDATE facts SET value = ? WHERE name = 'alerts'").run(JSON.stringify(shift(JSON.parse(String(row?.value)))));
  for (const { opened, key, incident } of database.prepare("SELECT opened, key, incident FROM incidents").all()) {
    const update = database.prepare("UPDATE incidents SET opened = opened - ?, ended = ended - ?, incident = ? WHERE opened = ? AND key = ?");
    update.run(millis, millis, shift(incident), opened, key);
  }
}
