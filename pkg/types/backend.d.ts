export type { WindowDocument } from "./documents.js";

/** A document that the edge has pushed, and that nobody else can have sent. */
export interface Push {
  /** The document's `Idempotency-Key`: what is stored under it already is not stored again. */
  key: string;
  /** The site. */
  site: string;
  /** The length of the window that it is about. */
  span: "minute" | "hour" | "day";
  /** When that window began. */
  start: Date;
  /** Which telling of that window it is: the highest counts. */
  revision: number;
  /** The document: a `WindowDocument` of the version that the edge runs. */
  document: any;
}

/** What tells a genuine document from others. */
export interface VerifyOptions {
  /** The secrets, by the names of their keys: two while they are changed. At least 32 bytes each. */
  keys: Readonly<Record<string, string | Uint8Array>>;
  /** How many seconds the edge's clock and this one may be apart: 300 unless told. */
  tolerance?: number;
  /** This clock, in milliseconds since the Unix epoch. */
  now?: () => number;
}

/** What a receiver needs to know. */
export interface ReceiveOptions extends VerifyOptions {
  /**
   * Stores a document and its key in one transaction; resolves to `false` where the key was there
   * already. The edge is told that the document has arrived only once this has resolved; while it
   * throws, the document comes again.
   */
  store: (push: Push) => Promise<void | boolean>;
  /** How many bytes a document may have: a mebibyte unless told. */
  limit?: number;
}

/** Why a request is not taken. */
export class PushRefused extends Error {
  constructor(status: number, message: string);
  /** The status to answer with. */
  status: number;
}

/** A handler for any server in the style of Fetch: `export const POST = receive({ … })` in a Next.js route. */
export function receive(options: ReceiveOptions): (request: Request) => Promise<Response>;

/** What Express and Node's own `http` hand over. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  headers: Record<string, string | string[] | undefined>;
  body?: unknown;
}

/** What they are answered with. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(text: string): unknown;
}

/** The same for Express and for Node's own `http`; before anything that parses bodies. */
export function receiveExpress(options: ReceiveOptions): (request: NodeRequest, response: NodeResponse) => Promise<void>;

/** The checks alone: resolves to what was pushed, or rejects with `PushRefused`. */
export function verify(headers: Headers, body: Uint8Array, options: VerifyOptions): Promise<Push>;
