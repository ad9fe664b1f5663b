/**
 * The purges that Next.js asks for. Without a profile, entries must not be served again. With one, such as `max`, they may
 * be served while they are made anew, for as long as the profile's `expire` says: no instance keeps that time, so a short
 * one counts as none.
 * @module
 */

/** Next.js tells each handler. One purge serves all of them. @type {Map<string, Promise<void>>} */
const pending = new Map();

/** @param {import("./shared_cache.js").SharedCache} cache @param {string | string[]} tag @param {{ expire?: number }} [durations] */
export function purgeByNext(cache, tag, durations) {
  const tags = typeof tag === "string" ? [tag] : tag;
  if (tags.length === 0) return Promise.resolve();
  const mode = durations && (durations.expire ?? Infinity) >= MIN_SOFT_EXPIRE_SECONDS ? "soft" : "hard";
  const key = JSON.stringify([mode, ...tags]);
  const known = pending.get(key);
  if (known) return known;
  const done = cache.purge(tags, mode).then(() => {});
  pending.set(key, done);
  // The handlers are told in one turn of the event loop. A later purge is another one.
  setImmediate(() => pending.delete(key));
  return done;
}

/** No copy at the edge lives longer than a day. */
const MIN_SOFT_EXPIRE_SECONDS = 86_400;
