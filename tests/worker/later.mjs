// workerd at another time: what it has stored is moved into the past while it is down.
import { DatabaseSync } from "node:sqlite";

import { databases } from "../faults/workerd.mjs";

/** Changes what the object of a site's first shard has stored, which is told by its fact `site`. @param {string} storage @param {(database: DatabaseSync) => void} change */
export function changed(storage, change) {
  for (const file of databases(storage, "Shard")) {
    const database = new DatabaseSync(file);
    const isFirst = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'facts'").get() && database.prepare("SELECT 1 FROM facts WHERE name = 'site'").get();
    if (isFirst) change(database);
    database.close();
  }
}

/** Every moment that the alerts remember, so much earlier. @param {DatabaseSync} database @param {number} millis */
export function earlier(database, millis) {
  const moved = (/** @type {unknown} */ text) => String(text).replace(/\b1[789]\d{11}\b/g, (at) => String(Number(at) - millis));
  const row = database.prepare("SELECT value FROM facts WHERE name = 'alerts'").get();
  database.prepare("UPDATE facts SET value = ? WHERE name = 'alerts'").run(JSON.stringify(moved(JSON.parse(String(row?.value)))));
  for (const { opened, key, incident } of database.prepare("SELECT opened, key, incident FROM incidents").all()) {
    const update = database.prepare("UPDATE incidents SET opened = opened - ?, ended = ended - ?, incident = ? WHERE opened = ? AND key = ?");
    update.run(millis, millis, moved(incident), opened, key);
  }
}
