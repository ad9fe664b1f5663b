/**
 * One measurement a page load, however often a framework mounts, remounts and renders what asks for
 * it. The client is fetched when it is first asked for: nothing of it is part of what hydrates.
 * @module
 */

/** The client, once it was asked for. @type {Promise<Client> | undefined} */
let client;
/** The path of the view at hand. @type {string | undefined} */
let here;

/**
 * Starts measuring the first time; then declares a view whenever the path is another one.
 * @param {() => Promise<Client>} load
 * @param {import("#start").StartOptions} options
 * @param {string} path
 */
export function visited(load, options, path) {
  if (path === here) return;
  here = path;
  if (client) then(({ view }) => view(/** @type {string} */ (options.route)));
  else {
    client = load();
    then(({ start }) => start(options));
  }
}

/** A client that cannot be fetched is no fault of the page's. @param {(client: Client) => void} use */
function then(use) {
  client?.then(use).catch(() => {});
}

/** @typedef {Pick<typeof import("#start"), "start" | "view">} Client */
