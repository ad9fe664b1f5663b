/**
 * Route templates, such as `/product/:id`, from the router's data, so that all visits of one page are
 * counted together. `vitals.js` queries the router.
 * @module
 */

/**
 * Returns the template for a page file's pattern from the Pages Router: `/shop/[...path]` is `/shop/:path*`.
 * @param {string} pattern
 */
export function routeOfPattern(pattern) {
  return bounded(pattern.replace(/\[{1,2}(\.\.\.)?([^[\]]+)\]{1,2}/g, (_, rest, name) => `:${name}${rest ? "*" : ""}`));
}

/**
 * Returns the template for a path and its parameters from the App Router. Values are matched from the
 * end, the innermost first, because a static segment usually precedes the value that it names:
 * `/blog/blog` is `/blog/:slug`.
 * @param {string} path
 * @param {Readonly<Record<string, string | string[] | undefined>>} params outermost first, as in the router
 */
export function routeOfParams(path, params) {
  const segments = path.split("/");
  const decoded = segments.map(decode);
  let end = segments.length;
  for (const [name, value] of Object.entries(params).reverse()) {
    if (value === undefined) continue;
    const values = [value].flat().map(decode);
    const at = lastIndexOf(decoded, values, end);
    if (at < 0) continue;
    const template = `:${name}${Array.isArray(value) ? "*" : ""}`;
    segments.splice(at, values.length, template);
    decoded.splice(at, values.length, template);
    end = at;
  }
  return bounded(segments.join("/"));
}

/**
 * Returns the last index before `end` at which the values follow one another.
 * @param {string[]} segments
 * @param {string[]} values
 * @param {number} end
 */
function lastIndexOf(segments, values, end) {
  for (let at = end - values.length; at > 0 && values.length; at -= 1) {
    if (values.every((value, index) => value === segments[at + index])) return at;
  }
  return -1;
}

/** Decodes a value; routers disagree on whether values are percent-encoded. @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Drops a route that the Worker would reject; the view is then counted by its path. @param {string} route */
function bounded(route) {
  return new TextEncoder().encode(route).length <= MAX_ROUTE_BYTES ? route : undefined;
}

const MAX_ROUTE_BYTES = 256;
