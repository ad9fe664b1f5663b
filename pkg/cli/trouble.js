// What a person can do something about: what is wrong, and what to do next. Everything else that is
// thrown is our own mistake, and shows its stack.

export class Trouble extends Error {
  /** @param {string} message @param {string} next */
  constructor(message, next) {
    super(message);
    this.next = next;
  }
}

/** What was thrown, in one line. @param {unknown} error @returns {string} */
export function reason(error) {
  if (!(error instanceof Error)) return String(error);
  // fetch says only that it failed; why is in the cause.
  return error.cause ? `${error.message}: ${reason(error.cause)}` : error.message || error.name;
}
