export * from "./timing.js";
export type { WindowDocument } from "./documents.js";

/** A pushed document whose signature was verified. */
export interface Push {
  /** The document's `Idempotency-Key`. Store at most one document per key. */
  key: string;
  /** The site. */
  site: string;
  /** The length of the document's window. */
  span: "minute" | "hour" | "day";
  /** The start of the window. */
  start: Date;
  /** The revision of the window's document. The highest one is valid. */
  revision: number;
  /** The document: a `WindowDocument` of the version that the edge runs. */
  document: any;
}

/** Options of signature verification. */
export interface VerifyOptions {
  /** The secrets by key name, at least 32 bytes each. Use two while you rotate them. */
  keys: Readonly<Record<string, string | Uint8Array>>;
  /** The largest difference between the edge's clock and this one, in seconds. Default: 300. */
  tolerance?: number;
  /** Returns the current time in milliseconds since the Unix epoch. Default: `Date.now`. */
  now?: () => number;
}

/** Options of a receiver. */
export interface ReceiveOptions extends VerifyOptions {
  /**
   * Stores a document and its key in one transaction. Resolves to `false` if the key was already stored.
   * The receipt is acknowledged only after this has resolved; if it throws, the edge sends the document
   * again.
   */
  store: (push: Push) => Promise<void | boolean>;
  /** The largest document, in bytes. Default: 1 MiB. */
  limit?: number;
}

/** Options of a page token. */
export interface PageEvidenceOptions {
  /** The Worker's secret `EVIDENCE_SECRET`; the first one, if it lists two. */
  secret: string | Uint8Array;
  /** The site, as `start` names it. */
  site: string;
  /** Returns the current time in milliseconds since the Unix epoch. Default: `Date.now`. */
  now?: () => number;
}

/**
 * Issues the page token of one response, as a value of its `Server-Timing`. Call it for each document that the edge does
 * not serve, and put nothing of it into a cache: `response.headers.append("server-timing", await pageEvidence({ … }))`.
 */
export function pageEvidence(options: PageEvidenceOptions): Promise<string>;

/** The rejection of a request. */
export class PushRefused extends Error {
  constructor(status: number, message: string);
  /** The status of the response. */
  status: number;
}

/** Returns a handler for servers with Fetch's interface: `export const POST = receive({ … })` in a Next.js route. */
export function receive(options: ReceiveOptions): (request: Request) => Promise<Response>;

/** The request of Express and of Node's `http`. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  headers: Record<string, string | string[] | undefined>;
  body?: unknown;
}

/** The response of Express and of Node's `http`. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(text: string): unknown;
}

/** Returns a handler for Express and Node's `http`. Mount it before any body parser. */
export function receiveExpress(options: ReceiveOptions): (request: NodeRequest, response: NodeResponse) => Promise<void>;

/** Verifies a document without storing it. Rejects with `PushRefused`. */
export function verify(headers: Headers, body: Uint8Array, options: VerifyOptions): Promise<Push>;
