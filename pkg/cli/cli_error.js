// Errors that the user can fix: a cause and a remedy. Any other error is a bug, and is shown with its stack.

export class CliError extends Error {
  /** @param {string} message @param {string} remedy */
  constructor(message, remedy) {
    super(message);
    this.remedy = remedy;
  }
}

/** The message of an error, with its causes, in one line. @param {unknown} error @returns {string} */
export function errorMessage(error) {
  if (!(error instanceof Error)) return String(error);
  // The message of fetch is generic; the cause has the details.
  return error.cause ? `${error.message}: ${errorMessage(error.cause)}` : error.message || error.name;
}
