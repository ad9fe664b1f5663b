// Generated from crates/cache/src/exchange/step.rs by the test `opcodes` of the crate. Do not edit.

/** The next thing for the Worker to do. */
export const Step = /** @type {const} */ ({
  LOOKUP: 0,
  SERVE: 1,
  SERVE_THEN_REVALIDATE: 2,
  FETCH: 3,
  PASS: 4,
  CONTACT_ORIGIN: 5,
  SEND: 6,
  STORE: 7,
  REFUSE: 8,
  WRITE_TIERS: 9,
  DONE: 10,
});

/** A tier that can hold an entry. */
export const Tier = /** @type {const} */ ({
  MEMORY: 0,
  COLO: 1,
  KV: 2,
});

/** A request to the origin that ended without a response. */
export const OriginError = /** @type {const} */ ({
  UNREACHABLE: 0,
  TIMEOUT: 1,
  REQUEST_BODY_TOO_LARGE: 2,
});

/** The next thing to do for the sync of purges. */
export const SyncStep = /** @type {const} */ ({
  DONE: 0,
  WAIT: 1,
  ASK_CLOCK: 2,
});
