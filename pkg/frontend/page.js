/**
 * One measurement per page load, however often a framework mounts and renders the component. The
 * client is imported on first use, so hydration does not wait for it.
 * @module
 */

/** The client, once imported. @type {Promise<Client> | undefined} */
let client;
/** The path of the current view. @type {string | undefined} */
let currentPath;

/**
 * Starts the measurement on the first call, then declares a view whenever the path changes.
 * @param {() => Promise<Client>} load
 * @param {import("#start").StartOptions} options
 * @param {string} path
 */
export function recordView(load, options, path) {
  if (path === currentPath) return;
  currentPath = path;
  if (client) withClient(({ view }) => view(/** @type {string} */ (options.route)));
  else {
    client = load();
    withClient(({ start }) => start(options));
  }
}

/** Uses the client. A failed import must not disturb the page. @param {(client: Client) => void} use */
function withClient(use) {
  client?.then(use).catch(() => {});
}

/** @typedef {Pick<typeof import("#start"), "start" | "view">} Client */
