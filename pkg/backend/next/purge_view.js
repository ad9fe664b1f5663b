/**
 * The purges that this process knows. The Worker's purge clock counts purges, and an entry carries the count that was
 * known before it was made: it is purged if one of its tags was purged at a later count. Until the purge clock has a
 * purge of this process, and without a Worker, this process's own clock takes its place.
 * @module
 */

/** @typedef {"hard" | "soft"} PurgeMode */
/** @typedef {{ seq: number, madeAt: number }} Stamp `madeAt` is by the clock of this process; -Infinity for entries of others. */
/** @typedef {{ seq: number, upto: number, floor: Purged, tags: ({ tag: string } & Purged)[] }} PurgeFeed */
/** @typedef {{ hard: number, soft: number }} Purged */

export class PurgeView {
  /** The counts of the last purges. @type {Map<string, Purged>} */
  #tags = new Map();
  /** @type {Purged} */
  #floor = { hard: 0, soft: 0 };
  #upto = 0;
  #syncedAt = -Infinity;
  /** The counts that were known, with the times from which on. */
  #known = [{ at: -Infinity, seq: 0 }];
  /** The times of this process's purges that the purge clock may lack. @type {Map<string, Purged>} */
  #own = new Map();
  #ownFloor = { hard: -Infinity, soft: -Infinity };
  /** Counts whatever may change a judgement. */
  changes = 0;

  /** The count up to which all purges are known. */
  get upto() {
    return this.#upto;
  }

  /** @param {number} now @param {number} leaseMs */
  isCurrent(now, leaseMs) {
    const age = now - this.#syncedAt;
    return age >= 0 && age <= leaseMs;
  }

  /**
   * Applies purges that were requested at `requestedAt`, since they may lack later ones. Returns false if the purge clock
   * has counted fewer purges than it did before: it is another one, and nothing that is stored can be judged.
   * @param {PurgeFeed} feed @param {number} requestedAt @param {number} now
   */
  apply({ seq, upto, floor, tags }, requestedAt, now) {
    if (seq !== this.#upto) this.changes += 1;
    if (seq < this.#upto) {
      this.#tags.clear();
      this.#floor = { hard: 0, soft: 0 };
      this.#upto = 0;
      this.#syncedAt = -Infinity;
      this.#known = [{ at: -Infinity, seq: 0 }];
      return false;
    }
    for (const { tag, hard, soft } of tags) this.#tags.set(tag, latest(this.#tags.get(tag), { hard, soft }));
    this.#floor = latest(this.#floor, floor);
    for (const [tag, purged] of this.#tags) {
      if (purged.hard <= this.#floor.hard && purged.soft <= this.#floor.soft) this.#tags.delete(tag);
    }
    if (upto > this.#upto) {
      this.#upto = upto;
      this.#known.push({ at: now, seq: upto });
      if (this.#known.length > MAX_KNOWN) this.#known = [{ at: -Infinity, seq: 0 }, ...this.#known.slice(MAX_KNOWN / 2)];
    }
    if (upto >= seq) this.#syncedAt = Math.max(this.#syncedAt, requestedAt);
    return true;
  }

  /** Returns the count that was known at a time. What was made from then on lacks no purge up to it. @param {number} time */
  seqAt(time) {
    return this.#known.findLast(({ at }) => at <= time)?.seq ?? 0;
  }

  /** Notes a purge of this process. @param {readonly string[]} tags @param {PurgeMode} mode @param {number} now */
  purge(tags, mode, now) {
    this.changes += 1;
    for (const tag of tags) {
      const known = this.#own.get(tag) ?? { hard: -Infinity, soft: -Infinity };
      this.#own.delete(tag);
      this.#own.set(tag, { ...known, [mode]: now });
    }
    while (this.#own.size > MAX_OWN) {
      const [[tag, purged]] = this.#own;
      this.#own.delete(tag);
      this.#ownFloor = latest(this.#ownFloor, purged);
    }
  }

  /** Forgets a purge of this process that the view has by its count. @param {readonly string[]} tags @param {PurgeMode} mode @param {number} purgedAt */
  confirm(tags, mode, purgedAt) {
    for (const tag of tags) {
      const own = this.#own.get(tag);
      if (own?.[mode] !== purgedAt) continue;
      own[mode] = -Infinity;
      if (own.hard === -Infinity && own.soft === -Infinity) this.#own.delete(tag);
    }
  }

  /** Returns the state of an entry with these tags. @param {Stamp} stamp @param {Iterable<string>} tags @returns {"valid" | "stale" | "purged"} */
  judge({ seq, madeAt }, tags) {
    let counted = this.#floor;
    let own = this.#ownFloor;
    for (const tag of tags) {
      counted = latest(counted, this.#tags.get(tag));
      own = latest(own, this.#own.get(tag));
    }
    if (counted.hard > seq || isSince(own.hard, madeAt)) return "purged";
    return counted.soft > seq || isSince(own.soft, madeAt) ? "stale" : "valid";
  }
}

/** A purge at the time at which an entry was made may be a later one. @param {number} purgedAt @param {number} madeAt */
const isSince = (purgedAt, madeAt) => purgedAt !== -Infinity && purgedAt >= madeAt;

/** @param {Purged | undefined} one @param {Purged | undefined} other @returns {Purged} */
function latest(one, other) {
  if (!one || !other) return one ?? other ?? { hard: -Infinity, soft: -Infinity };
  return { hard: Math.max(one.hard, other.hard), soft: Math.max(one.soft, other.soft) };
}

const MAX_KNOWN = 4096;
const MAX_OWN = 10_000;
