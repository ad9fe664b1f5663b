// The caches that others run, as contenders: nginx and Varnish with the same origin and bodies, one worker
// each, on loopback. Where one is not installed, there is none.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

import { createClient } from "../../faults/workerd.mjs";

const ROOM = new URL("../../../build/bench", import.meta.url).pathname;

/** @typedef {{ pid: number, ask: ReturnType<typeof createClient>["ask"], kill: () => Promise<void> }} Server */

/** Both, or nothing in the place of one that is not installed. @param {number} origin the port of the origin */
export async function servers(origin) {
  return { nginx: await started("nginx", ["-v"], nginx, origin), varnish: await started("varnishd", ["-V"], varnish, origin) };
}

/**
 * @param {string} program @param {string[]} asks @param {(room: string, port: number, origin: number) => string[]} words @param {number} origin
 * @returns {Promise<Server | undefined>}
 */
async function started(program, asks, words, origin) {
  const found = [program, `/usr/sbin/${program}`].find((path) => spawnSync(path, asks).status === 0);
  if (!found) return void console.error(`${program} is not installed; the bench goes on without it`);
  const room = join(ROOM, program);
  rmSync(room, { recursive: true, force: true });
  mkdirSync(room, { recursive: true });
  const port = await free();
  const child = spawn(found, words(room, port, origin), { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let isEnded = false;
  ended.then(() => (isEnded = true));
  while (!(await listens(port))) {
    if (isEnded) throw new Error(`${program} did not start:\n${errors}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const to = createClient(port);
  return {
    pid: /** @type {number} */ (child.pid),
    ask: to.ask,
    kill: async () => {
      to.close();
      child.kill("SIGTERM");
      await ended;
      rmSync(room, { recursive: true, force: true });
    },
  };
}

/** @param {string} room @param {number} port @param {number} origin */
function nginx(room, port, origin) {
  const file = join(room, "nginx.conf");
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${room}/pid; error_log stderr error; ${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 512; }
http {
  access_log off; keepalive_requests 1000000; default_type text/html;
  proxy_cache_path ${room}/cache keys_zone=all:10m max_size=100m use_temp_path=off;
  client_body_temp_path ${room}/body; proxy_temp_path ${room}/proxy; fastcgi_temp_path ${room}/fastcgi; uwsgi_temp_path ${room}/uwsgi; scgi_temp_path ${room}/scgi;
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${origin}; proxy_cache all; proxy_cache_revalidate on; } }
}
`,
  );
  return ["-p", room, "-c", file, "-e", "stderr"];
}

/** @param {string} room @param {number} port @param {number} origin */
const varnish = (room, port, origin) => ["-F", "-n", join(room, "work"), "-a", `127.0.0.1:${port}`, "-b", `127.0.0.1:${origin}`, "-s", "malloc,64m"];

/** Processor time that a process and what it has started have taken, in microseconds. @param {number} pid */
export function taken(pid) {
  /** @type {Map<number, { parent: number, ticks: number }>} */
  const all = new Map();
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      all.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended meanwhile.
    }
  }
  /** @type {(one: number) => boolean} */
  const of = (one) => one === pid || (all.has(one) && of(all.get(one)?.parent ?? 0));
  // In hundredths of a second.
  return [...all].reduce((sum, [one, { ticks }]) => (of(one) ? sum + ticks * 10_000 : sum), 0);
}

/** A port that nobody has. @returns {Promise<number>} */
const free = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {net.AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/** @param {number} port @returns {Promise<boolean>} */
const listens = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
