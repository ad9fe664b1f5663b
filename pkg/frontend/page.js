/**
 * One measurement per page load, however often a framework mounts and renders, and however many copies of
 * this module its bundles contain: they share their state through the global object. A view begins when the
 * path changes.
 * @module
 */

/** @typedef {Pick<typeof import("#start"), "start" | "view">} Client */

/**
 * @typedef {object} Page
 * @property {Promise<Client>} [client] the client, once started
 * @property {string} [endpoint] the address of its beacons
 * @property {string} [path] the path of the current view
 * @property {string} [route] its route, once known
 * @property {string} [historyKey] the history entry in which it began
 * @property {number} [interactionCount] the interactions so far when it began
 * @property {number} [startedAt] the time at which it began
 */

/** @type {Page} */
const page = (/** @type {any} */ (globalThis)[Symbol.for("edge-vitals")] ??= {});

/** True once the measurement has started. */
export const isStarted = () => page.client !== undefined;

/** The address of the beacons, once the measurement has started. */
export const beaconEndpoint = () => page.endpoint;

/**
 * Starts the measurement. Its current view is at the current path.
 * @param {Promise<Client>} client
 * @param {import("#start").StartOptions} options
 */
export function startMeasurement(client, options) {
  page.client = client;
  page.endpoint = options.endpoint;
  recordNavigation(options.route);
  withClient(({ start }) => start(options));
}

/**
 * Declares a view if the path has changed, and names the current one if its route was not known before.
 * @param {string | undefined} route
 */
export function recordView(route) {
  const isSamePath = page.path === location.pathname;
  if (isSamePath && (page.route !== undefined || route === undefined)) return;
  const isNew = !isSamePath && !isRedirect();
  if (isNew) recordNavigation(route);
  else Object.assign(page, { path: location.pathname, route });
  withClient(({ view }) => view(/** @type {string} */ (route), !isNew));
}

/** A change that replaces the history entry soon and without an interaction belongs to the navigation before it. */
function isRedirect() {
  return (
    page.historyKey !== undefined &&
    page.historyKey === historyKey() &&
    page.interactionCount === performance.interactionCount &&
    performance.now() - /** @type {number} */ (page.startedAt) < MAX_REDIRECT_MS
  );
}

/** @param {string | undefined} route */
function recordNavigation(route) {
  Object.assign(page, {
    path: location.pathname,
    route,
    historyKey: historyKey(),
    interactionCount: performance.interactionCount,
    startedAt: performance.now(),
  });
}

const historyKey = () => globalThis.navigation?.currentEntry?.key;

/** Uses the client. A failed import must not disturb the page. @param {(client: Client) => void} use */
function withClient(use) {
  page.client?.then(use).catch(() => {});
}

/** The time within which another address in the same history entry is a redirect. */
const MAX_REDIRECT_MS = 1000;
