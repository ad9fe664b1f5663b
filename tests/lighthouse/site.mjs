// Pages for Lighthouse: a good one, and the same made slow, shifting or heavy, each worse in exactly
// one way.
import { createServer } from "node:http";

/** The defect of each page, by path. */
const DEFECTS = {
  "/good": "",
  // The picture is the LCP element, and another server delivers it late.
  "/slow": "",
  // An element without content pushes everything down, long after the paint and without input.
  "/shifting": `<script>addEventListener("load", () => setTimeout(() => { const push = document.createElement("div"); push.style.height = "50vh"; document.body.prepend(push); }, 300));</script>`,
  // A script that blocks nothing and is merely large.
  "/heavy": `<script>addEventListener("load", () => document.head.append(Object.assign(document.createElement("script"), { src: "/heavy.js" })));</script>`,
};

/** @param {string} path @param {string} elsewhere the same server under another name */
function page(path, elsewhere) {
  const defect = DEFECTS[/** @type {keyof typeof DEFECTS} */ (path)];
  const hero = path === "/slow" ? `${elsewhere}/slow.svg` : "/hero.svg";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>A page</title><link rel="icon" href="data:,"></head>
<body><h1>A page</h1><img src="${hero}" width="340" height="300" alt="A picture"><p>Some words of it.</p>${defect}</body></html>`;
}

/** A picture with enough detail to count as content. */
const HERO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 340 300">${Array.from({ length: 400 }, (_, at) => `<circle cx="${(at * 37) % 340}" cy="${(at * 53) % 300}" r="${3 + (at % 9)}" fill="#${((at * 7919) % 4096).toString(16).padStart(3, "0")}"/>`).join("")}</svg>`;

/** 200 KB, as long as the request does not accept compression. */
const HEAVY = `/*${"heavy ".repeat(34_000)}*/`;

/** Serves on a free loopback port. */
export async function serve() {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const send = (/** @type {string} */ type, /** @type {string} */ body) => {
      response.setHeader("content-type", type);
      response.end(body);
    };
    if (path in DEFECTS) send("text/html", page(path, `http://127.0.0.1:${request.socket.localPort}`));
    else if (path === "/hero.svg") send("image/svg+xml", HERO);
    // No test waits for this: it is the slow server that Lighthouse measures.
    else if (path === "/slow.svg") setTimeout(send, 4000, "image/svg+xml", HERO);
    else if (path === "/heavy.js") send("text/javascript", HEAVY);
    else if (path === "/moved") response.writeHead(302, { location: "/good" }).end();
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://localhost:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
