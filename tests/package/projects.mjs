//! The projects that the packed package is tried in: how each is put together, built and served. Each
//! lives under target/package with the tools of this folder's lock file and the tarball installed
//! above it, and is built again only when the tarball, the tools or its own files have changed.

import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request as ask } from "node:http";
import { extname, join } from "node:path";
import { promisify } from "node:util";

const here = import.meta.dirname;
const root = join(here, "../..");
/** Where it all happens. */
export const ROOM = join(root, "target/package");
const TARBALL = "edge-vitals.tgz";

/**
 * @typedef {object} Project
 * @property {string} name
 * @property {string[]} layers folders of `projects/`; a later one lies over the earlier
 * @property {string[]} [less] what the layers have and this project has not
 * @property {string[]} build the command
 * @property {Record<string, string>} [env] its environment
 * @property {string} output where the browser's files come to lie
 * @property {number} copies how often the client's module is in them
 * @property {boolean} [isServed] by Next.js's own server, and not as files
 * @property {string} [tools] the folder of its own tools, beside this file
 */

/** @type {Project[]} */
export const PROJECTS = [
  {
    name: "next-turbopack",
    layers: ["next", "next-early"],
    build: ["next", "build"],
    output: ".next/static",
    // One in the first chunks of each router. A page load is of one router.
    copies: 2,
    isServed: true,
  },
  {
    name: "next-webpack",
    layers: ["next", "next-reasons"],
    build: ["next", "build", "--webpack"],
    output: ".next/static",
    // Next.js keeps the modules of its two routers apart.
    copies: 2,
    isServed: true,
  },
  { name: "next-export", layers: ["next"], less: ["pages", "app/backend"], build: ["next", "build"], env: { OUTPUT: "export" }, output: "out", copies: 1 },
  { name: "vite", layers: ["script", "vite"], build: ["vite", "build", "--logLevel", "warn"], output: "dist", copies: 1 },
  { name: "webpack", layers: ["script", "webpack"], build: ["node", "build.mjs"], output: "dist", copies: 1 },
  { name: "esbuild", layers: ["script", "esbuild"], build: ["esbuild", "main.js", "--bundle", "--minify", "--format=esm", "--outdir=dist", "--log-level=warning"], output: "dist", copies: 1 },
  { name: "plain", layers: ["script", "plain"], build: [], output: "", copies: 0 },
];

/** What runs in several processes, with the cache handlers of the package. @type {Project} */
export const CACHED = { name: "next-cache", layers: ["next-cache"], build: ["next", "build"], output: ".next/static", copies: 0 };

/** What is only ever run by Next.js's development server. @type {Project} */
export const DEVELOPED = { name: "next-develop", layers: ["next", "next-reasons"], less: ["pages", "app/backend"], build: [], output: ".next/static", copies: 0 };

/** The same application under Next.js of the major before. @type {Project} */
export const BEFORE = { name: "application", tools: "next-15", layers: ["next", "next-early"], build: ["next", "build"], output: ".next/static", copies: 2, isServed: true };

/** The folder of a project's tools, and above the project's own. @param {Project} [project] */
const roomOf = (project) => join(ROOM, project?.tools ?? "");

/** @param {Project} project */
const folderOf = (project) => join(roomOf(project), project.name);

/** The tarball as `npm publish` would upload it. */
export const tarball = () => join(ROOM, TARBALL);

/** Packs the package and installs it beside the pinned tools, those of a project or of all: what is there already stays. @param {Project} [project] */
export async function install(project) {
  const room = roomOf(project);
  const tools = join(here, project?.tools ?? "");
  const [toolsMark, packageMark] = ["tools", "package"].map((name) => join(project?.tools ?? "", name));
  await mkdir(room, { recursive: true });
  const lock = await fingerprint([join(tools, "package-lock.json")]);
  if (!(await isCurrent(toolsMark, lock))) {
    for (const file of ["package.json", "package-lock.json"]) await cp(join(tools, file), join(room, file));
    await run(["npm", "ci", ...QUIETLY], room);
    await rm(mark(packageMark), { force: true });
    await done(toolsMark, lock);
  }
  const packed = JSON.parse(await run(["npm", "pack", "--json", "--pack-destination", ROOM], join(root, "pkg")));
  await cp(join(ROOM, packed[0].filename), tarball());
  const package_ = await fingerprint([tarball()]);
  if (!(await isCurrent(packageMark, package_))) {
    await run(["npm", "install", "--no-save", "--no-package-lock", ...QUIETLY, tarball()], room);
    await done(packageMark, package_);
  }
  return packed[0];
}

/** Puts a project together and builds it, where it is not built yet. @param {Project} project */
export async function build(project) {
  const folder = folderOf(project);
  const layers = project.layers.map((layer) => join(here, "projects", layer));
  const made = await fingerprint([tarball(), join(here, project.tools ?? "", "package-lock.json"), ...layers], JSON.stringify(project));
  if (await isCurrent(project.name, made)) return;
  await lay(project, layers, folder);
  const [program, ...words] = project.build;
  if (program) await run([program, ...words], folder, project.env, roomOf(project));
  await done(project.name, made);
}

/** Lays a project out afresh; what Next.js remembers of its last build stays, as it does in CI. @param {Project} project @param {string[]} layers @param {string} folder */
async function lay(project, layers, folder) {
  await mkdir(folder, { recursive: true });
  for (const entry of await readdir(folder)) if (entry !== ".next") await rm(join(folder, entry), { recursive: true });
  for (const layer of layers) await cp(layer, folder, { recursive: true });
  for (const path of project.less ?? []) await rm(join(folder, path), { recursive: true });
}

/**
 * The files that a browser may be given, and how often the client's module is among them: each copy
 * of the client makes one of it.
 * @param {Project} project
 */
export async function shipped(project) {
  const folder = join(folderOf(project), project.output);
  const files = (await readdir(folder, { recursive: true })).filter((file) => /\.(m?js|wasm)$/.test(file));
  const clients = [];
  for (const file of files) {
    const bytes = await readFile(join(folder, file));
    const copies = file.endsWith(".wasm") ? 1 : bytes.toString().split("new WebAssembly.Module(").length - 1;
    if (copies) clients.push({ file, copies, bytes });
  }
  return clients;
}

/** The files of a browser's that say this. @param {Project} project @param {RegExp} what */
export async function filesWith(project, what) {
  const folder = join(folderOf(project), project.output);
  const files = (await readdir(folder, { recursive: true })).filter((file) => /\.(m?js|css|html)$/.test(file));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  return files.filter((_, index) => what.test(texts[index]));
}

/**
 * Serves a project as it would be deployed, with the Worker on the same origin, and keeps what the
 * pages send.
 * @param {Project} project
 * @param {string} worker the Worker's origin
 */
export async function serve(project, worker) {
  const application = project.isServed ? await nextjs(project, ["start"]) : undefined;
  return front(project, worker, application);
}

/** The same with Next.js's development server. @param {Project} project @param {string} worker */
export async function develop(project, worker) {
  return front(project, worker, await nextjs(project, ["dev"]));
}

/** @param {Project} project @param {string} worker @param {Awaited<ReturnType<typeof nextjs>>} [application] */
async function front(project, worker, application) {
  /** @type {{ beacon: any, status: number }[]} */
  const heard = [];
  /** @type {string[]} */
  const hooked = [];
  /** @type {(() => void)[]} */
  const waiting = [];
  const server = createServer(async (request, response) => {
    const path = request.url ?? "/";
    if (path === "/favicon.ico") return response.writeHead(204).end();
    if (path.startsWith("/hook/")) {
      hooked.push(path.slice("/hook".length));
      return response.writeHead(204).end();
    }
    const target = path.startsWith("/v1/") || path.startsWith("/api/") ? worker : application?.origin;
    if (!target) return file(project, path, response);
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    const passed = ask(target + path, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...(path.endsWith("?policed") && WITHOUT_WASM) });
      answer.pipe(response);
      if (path === "/v1/vitals") {
        heard.push({ beacon: JSON.parse(body.toString()), status: answer.statusCode ?? 0 });
        for (const tell of waiting.splice(0)) tell();
      }
    });
    passed.on("error", () => response.writeHead(502).end());
    passed.end(body);
  });
  server.on("upgrade", (request, socket, head) => {
    if (!application) return socket.destroy();
    const passed = ask(application.origin + request.url, { headers: request.headers });
    passed.on("upgrade", (answer, other, first) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
      socket.write(first);
      other.write(head);
      other.pipe(socket).pipe(other);
      for (const end of [socket, other]) end.on("error", () => end.destroy());
    });
    passed.on("error", () => socket.destroy());
    passed.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://localhost:${port}`,
    heard,
    /** The pages that have reported through Next.js's own hook, once for each report. */
    hooked,
    /**
     * Resolves once the Worker has answered for what is wanted; a beacon that never comes is a failure
     * that says what came instead.
     * @param {(beacons: any[]) => boolean} isThere
     */
    async hears(isThere) {
      const beacons = () => heard.map(({ beacon }) => beacon);
      let late = /** @type {NodeJS.Timeout | undefined} */ (undefined);
      const deadline = new Promise((_, reject) => {
        late = setTimeout(() => reject(new Error(`after ${PATIENCE} ms there is only ${JSON.stringify(heard)}`)), PATIENCE);
      });
      try {
        while (!isThere(beacons())) await Promise.race([deadline, new Promise((resolve) => waiting.push(() => resolve(undefined)))]);
      } finally {
        clearTimeout(late);
      }
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await application?.close();
    },
  };
}

/** Next.js's own server, on a port that it chooses. @param {Project} project @param {string[]} command */
async function nextjs(project, command) {
  const child = spawn("next", [...command, "--port", "0", "--hostname", "localhost"], {
    cwd: folderOf(project),
    env: environment(project.env, roomOf(project)),
    stdio: ["ignore", "pipe", "pipe"],
    // It has children of its own, and all of them are to end with it.
    detached: true,
  });
  let said = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const origin = await new Promise((resolve, reject) => {
    const read = (/** @type {Buffer} */ bytes) => {
      said += bytes;
      const local = /Local:\s+(http:\/\/localhost:\d+)/.exec(said);
      if (local && /Ready in/.test(said)) resolve(local[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`next ${command} ended before it served:\n${said}`)));
  });
  return {
    origin,
    async close() {
      if (child.pid && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
      await ended;
    },
  };
}

/** @param {Project} project @param {string} path @param {import("node:http").ServerResponse} response */
async function file(project, path, response) {
  const { pathname } = new URL(path, "http://page");
  const folders = [join(folderOf(project), project.output), folderOf(project), ROOM];
  const names = extname(pathname) ? [pathname] : [`${pathname}.html`, join(pathname, "index.html"), "index.html"];
  for (const name of names) {
    for (const folder of folders) {
      const bytes = await readFile(join(folder, name)).catch(() => undefined);
      if (bytes) return response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" }).end(bytes);
    }
  }
  return response.writeHead(404).end();
}

/** The policy of pages with the query `policed`. */
const WITHOUT_WASM = { "content-security-policy": "script-src 'self' 'unsafe-inline'" };

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain", ".wasm": "application/wasm" };

/** @param {string[]} command @param {string} cwd @param {Record<string, string>} [env] @param {string} [room] */
export async function run([program, ...words], cwd, env, room) {
  try {
    const running = promisify(execFile)(program, words, { cwd, env: environment(env, room), maxBuffer: 1 << 26, timeout: LONGEST });
    // Nobody answers a question here.
    running.child.stdin?.end();
    return (await running).stdout;
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error);
    throw new Error(`\`${program} ${words.join(" ")}\` failed:\n${stdout}${stderr}`);
  }
}

/** @param {Record<string, string>} [env] @param {string} [room] where its tools are */
const environment = (env, room = ROOM) => ({
  ...process.env,
  ...env,
  PATH: `${join(room, "node_modules/.bin")}:${process.env.PATH}`,
  NEXT_TELEMETRY_DISABLED: "1",
  NODE_ENV: undefined,
});

/** A name that changes when any of the files does. @param {string[]} paths @param {string} [words] */
async function fingerprint(paths, words = "") {
  const hash = createHash("sha256").update(words);
  for (const path of paths) {
    const below = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
    const files = below?.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)) ?? [path];
    for (const file of files.sort()) hash.update(file).update(await readFile(file));
  }
  return hash.digest("hex");
}

const mark = (/** @type {string} */ name) => join(ROOM, `${name}.mark`);

/** @param {string} name @param {string} fingerprint */
const isCurrent = async (name, fingerprint) => (await readFile(mark(name), "utf8").catch(() => "")) === fingerprint;

/** @param {string} name @param {string} fingerprint */
const done = (name, fingerprint) => writeFile(mark(name), fingerprint);

/** How long a program may take on a busy machine. */
const LONGEST = 300_000;

/** How long a beacon may take on a busy machine. */
const PATIENCE = 20_000;

const QUIETLY = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
