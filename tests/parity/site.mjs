//! The site that the scenarios visit: their own pages, pictures of any size, gates that hold a response until a
//! scenario opens them (`?gate=name`), slow responses (`?slow=ms`) and redirects, on two ports, of which the
//! second is another origin. It also serves both libraries.

import {once} from 'node:events';
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {dirname, join, normalize} from 'node:path';
import {text} from 'node:stream/consumers';
import {fileURLToPath, pathToFileURL} from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../..');

/** A policy under which the browser refuses WebAssembly. */
export const WITHOUT_WASM = "script-src 'self' 'unsafe-inline'";

export class Site {
  /** @type {Map<string, Page>} */
  #pages = new Map();
  /** @type {Map<string, Gate>} */
  #gates = new Map();
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();

  /** The requests that pages have posted. @type {{path: string, search: string, body: string}[]} */
  posts = [];

  /** @param {string} candidate the path of the candidate's module @param {string} [policy] the content security policy of every page @returns {Promise<Site>} */
  static async open(candidate, policy) {
    const site = new Site(candidate, policy);
    for (const server of site.servers) await once(server.listen(0), 'listening');
    return site;
  }

  /** @param {string} candidate @param {string} [policy] */
  constructor(candidate, policy) {
    this.candidate = candidate;
    this.policy = policy;
    this.servers = [0, 1].map(() => createServer((request, response) => this.#answer(request, response)));
    for (const server of this.servers) {
      server.on('connection', (socket) => {
        this.#sockets.add(socket);
        socket.on('close', () => this.#sockets.delete(socket));
      });
    }
  }

  get origin() {
    return this.#origin(0);
  }

  get elsewhere() {
    return this.#origin(1);
  }

  /** @param {string} path @param {Page} page */
  put(path, page) {
    this.#pages.set(path, page);
  }

  /** @param {string} name */
  gate(name) {
    const gate = this.#gates.get(name) ?? new Gate();
    this.#gates.set(name, gate);
    return gate;
  }

  /** Resolves when every connection has ended, so that no request is in flight. */
  async deserted() {
    while (this.#sockets.size > 0) await once([...this.#sockets][0], 'close');
  }

  close() {
    for (const server of this.servers) server.close(), server.closeAllConnections();
  }

  /** @param {number} index */
  #origin(index) {
    return `http://localhost:${/** @type {import('node:net').AddressInfo} */ (this.servers[index].address()).port}`;
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async #answer(request, response) {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const gate = url.searchParams.get('gate');
    if (gate) await this.gate(gate).passed();
    const slow = url.searchParams.get('slow');
    if (slow) await new Promise((resolve) => setTimeout(resolve, Number(slow)));

    if (request.method === 'POST') {
      const body = await text(request).catch(() => '');
      this.posts.push({path: url.pathname, search: url.search, body});
      return response.writeHead(204).end();
    }

    const redirect = url.searchParams.get('redirect');
    if (redirect) return response.writeHead(302, {location: redirect}).end();

    const page = this.#pages.get(url.pathname);
    if (page) {
      response.writeHead(200, {'content-type': 'text/html; charset=utf-8', ...(this.policy && {'content-security-policy': this.policy}), ...page.headers});
      return response.end(this.#html(page));
    }
    const picture = url.pathname.match(/^\/picture\/(\d+)x(\d+)\.bmp$/);
    if (picture) return response.writeHead(200, {'content-type': 'image/bmp'}).end(noise(Number(picture[1]), Number(picture[2])));
    if (url.pathname === '/animation.gif') return response.writeHead(200, {'content-type': 'image/gif'}).end(ANIMATION);
    if (url.pathname === '/empty.css') return response.writeHead(200, {'content-type': 'text/css'}).end();

    const file = this.#file(url.pathname);
    const body = file && (await readFile(file).catch(() => undefined));
    if (!file || !body) return response.writeHead(404).end();
    response.writeHead(200, {'content-type': file.endsWith('.wasm') ? 'application/wasm' : 'text/javascript'}).end(body);
  }

  /** @param {string} path */
  #file(path) {
    const [, room, ...rest] = normalize(path).split('/');
    switch (room) {
      case 'reference':
        return rest[0] === 'fid.js' ? FID : WEB_VITALS;
      case 'candidate':
        return join(dirname(this.candidate), ...rest);
      case 'candidates':
        return join(HERE, 'candidates', ...rest);
      default:
        return ['recorder.js', 'observe.js'].includes(room) ? join(HERE, room) : undefined;
    }
  }

  /** @param {Page} page */
  #html({head = '', body = '', subscriptions, observe = true, bare = false, candidate, control}) {
    if (bare) return `<!doctype html>${body}`;
    const parity = {subscriptions, control, isRefused: this.policy !== undefined, candidate: candidate ?? `/candidate/${pathToFileURL(this.candidate).href.split('/').at(-1)}`};
    return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<script src="/recorder.js"></script>
<script>parity = ${JSON.stringify(parity)}</script>
<style>body { margin: 8px; font: 16px sans-serif } #spacer { height: 0 }</style>
${head.replaceAll('ELSEWHERE', this.elsewhere)}
${observe ? '<script type="module" async src="/observe.js"></script>' : ''}</head><body>
${body.replaceAll('ELSEWHERE', this.elsewhere)}</body></html>`;
  }
}

/** @typedef {{head?: string, body?: string, headers?: Record<string, string>, observe?: boolean, bare?: boolean, candidate?: string, control?: string, subscriptions: {on: string, options: object}[]}} Page */

/** A gate that requests wait at. */
class Gate {
  /** @type {(value?: unknown) => void} */
  #arrive = () => {};
  /** @type {(value?: unknown) => void} */
  #open = () => {};
  /** Resolves when a request waits. */
  arrived = new Promise((resolve) => (this.#arrive = resolve));
  opened = new Promise((resolve) => (this.#open = resolve));

  passed() {
    this.#arrive();
    return this.opened;
  }

  open() {
    this.#open();
  }
}

/** A picture of noise, since one of low entropy does not count for LCP. @param {number} width @param {number} height */
function noise(width, height) {
  const row = Math.ceil((width * 3) / 4) * 4;
  const bytes = Buffer.alloc(54 + row * height);
  bytes.write('BM');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  let seed = 1;
  for (let at = 54; at < bytes.length; at++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    bytes[at] = seed >> 16;
  }
  return bytes;
}

const WEB_VITALS = join(ROOT, 'node_modules/web-vitals/dist/web-vitals.js');
const FID = join(ROOT, 'node_modules/fid-oracle/dist/web-vitals.js');

// Two frames of one pixel, looped, and a long comment, which makes it large enough to count for LCP.
const ANIMATION = Buffer.concat([
  Buffer.from('GIF89a', 'latin1'),
  Buffer.from([1, 0, 1, 0, 0x80, 0, 0, 200, 30, 30, 30, 30, 200]),
  Buffer.from([0x21, 0xff, 0x0b, ...Buffer.from('NETSCAPE2.0'), 3, 1, 0, 0, 0]),
  ...Array.from({length: 40}, () => Buffer.concat([Buffer.from([0x21, 0xfe, 250]), Buffer.alloc(250, 'x'), Buffer.from([0])])),
  ...[0, 1].flatMap((frame) => [Buffer.from([0x21, 0xf9, 4, 0, 10, 0, 0, 0]), Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, frame ? 0x4c : 0x44, 1, 0])]),
  Buffer.from([0x3b]),
]);
