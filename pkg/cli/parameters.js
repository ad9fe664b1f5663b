// Values of options that several commands share.
import { CliError } from "./cli_error.js";

/** An origin as browsers write it. @param {string} option @param {string} text */
export function parseOrigin(option, text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search || url.hash) {
    throw new CliError(`${option} "${text}" is not an origin`, "use a value such as https://portal.example, without a path");
  }
  return url.origin;
}

/** @param {string} text */
export function parseSite(text) {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(text)) throw new CliError(`"${text}" is not a valid site name`, "set --site to 1 to 64 letters, digits, dots, dashes or underscores");
  return text;
}

/** @param {string | undefined} text @param {number} other */
export function parsePort(text, other) {
  const port = text === undefined ? other : Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new CliError(`--port "${text}" is not a port`, "use a number from 1 to 65535");
  return port;
}
