/**
 * The facts that the edge needs about a prerendered page: its tags, and the purges that its maker knew. They are fields of the
 * page's entry, which Next.js sends with the page. It does not send them with the segments of a page, so those get them
 * here; a segment of which nothing is known is not for the edge.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";

export const TAGS_FIELD = "cache-tag";
export const PURGE_SEQ_FIELD = "x-edge-vitals-purge-seq";

/** @typedef {{ tags: Set<string>, seq: number }} PageFacts */
/** @typedef {{ page: PageFacts | undefined }} RequestFacts */

/** Notes an entry from which the response of the current request may be made. @param {readonly string[]} tags @param {number} seq */
export function notePage(tags, seq) {
  const facts = requests.getStore();
  if (!facts) return;
  facts.page ??= { tags: new Set(), seq };
  for (const tag of tags) facts.page.tags.add(tag);
  facts.page.seq = Math.min(facts.page.seq, seq);
}

/** Completes the following responses of this process. */
export function watchResponses() {
  const shared = /** @type {{ [WATCHED]?: boolean }} */ (globalThis);
  if (shared[WATCHED]) return;
  shared[WATCHED] = true;
  subscribe("http.server.request.start", (message) => {
    const { response } = /** @type {{ response: import("node:http").ServerResponse }} */ (message);
    /** @type {RequestFacts} */
    const facts = { page: undefined };
    requests.enterWith(facts);
    const writeHead = response.writeHead;
    response.writeHead = /** @type {typeof writeHead} */ (
      function (/** @type {any[]} */ ...head) {
        completeHead(response, facts.page);
        return Reflect.apply(writeHead, response, head);
      }
    );
  });
}

/** @param {import("node:http").ServerResponse} response @param {PageFacts | undefined} page */
function completeHead(response, page) {
  if (response.headersSent || !response.hasHeader("x-nextjs-prerender") || response.hasHeader(PURGE_SEQ_FIELD)) return;
  if (page) {
    response.setHeader(TAGS_FIELD, [...page.tags].join(","));
    response.setHeader(PURGE_SEQ_FIELD, page.seq);
  } else {
    response.setHeader("cdn-cache-control", "no-store");
  }
}

const WATCHED = Symbol.for("edge-vitals.next-responses");
const REQUESTS = Symbol.for("edge-vitals.next-requests");
const shared = /** @type {{ [REQUESTS]?: AsyncLocalStorage<RequestFacts> }} */ (globalThis);
/** Next.js may load this module more than once. */
const requests = (shared[REQUESTS] ??= new AsyncLocalStorage());
