// Other caches as contenders: nginx and Varnish with the same origin and bodies, one worker each, on
// loopback. A server that is not installed is omitted.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

import { createClient } from "../../faults/workerd.mjs";

const FOLDER = new URL("../../../build/bench", import.meta.url).pathname;

/** @typedef {{ pid: number, ask: ReturnType<typeof createClient>["ask"], kill: () => Promise<void> }} Server */

/** Starts both; one that is not installed is undefined. @param {number} origin the port of the origin */
export async function startServers(origin) {
  return { nginx: await startServer("nginx", ["-v"], nginx, origin), varnish: await startServer("varnishd", ["-V"], varnish, origin) };
}

/**
 * @param {string} program @param {string[]} probe @param {(folder: string, port: number, origin: number) => string[]} args @param {number} origin
 * @returns {Promise<Server | undefined>}
 */
async function startServer(program, probe, args, origin) {
  const found = [program, `/usr/sbin/${program}`].find((path) => spawnSync(path, probe).status === 0);
  if (!found) return void console.error(`${program} is not installed; the bench goes on without it`);
  const folder = join(FOLDER, program);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const child = spawn(found, args(folder, port, origin), { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let isEnded = false;
  ended.then(() => (isEnded = true));
  while (!(await isListening(port))) {
    if (isEnded) throw new Error(`${program} did not start:\n${errors}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const client = createClient(port);
  return {
    pid: /** @type {number} */ (child.pid),
    ask: client.ask,
    kill: async () => {
      client.close();
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** @param {string} folder @param {number} port @param {number} origin */
function nginx(folder, port, origin) {
  const file = join(folder, "nginx.conf");
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr error; ${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 512; }
http {
  access_log off; keepalive_requests 1000000; default_type text/html;
  proxy_cache_path ${folder}/cache keys_zone=all:10m max_size=100m use_temp_path=off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${origin}; proxy_cache all; proxy_cache_revalidate on; } }
}
`,
  );
  return ["-p", folder, "-c", file, "-e", "stderr"];
}

/** @param {string} folder @param {number} port @param {number} origin */
const varnish = (folder, port, origin) => ["-F", "-n", join(folder, "work"), "-a", `127.0.0.1:${port}`, "-b", `127.0.0.1:${origin}`, "-s", "malloc,64m"];

/** Processor time of a process and its descendants in microseconds. @param {number} pid */
export function cpuTime(pid) {
  /** @type {Map<number, { parent: number, ticks: number }>} */
  const all = new Map();
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      all.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // The process has ended meanwhile.
    }
  }
  /** @type {(one: number) => boolean} */
  const isDescendant = (id) => id === pid || (all.has(id) && isDescendant(all.get(id)?.parent ?? 0));
  // Ticks are hundredths of a second.
  return [...all].reduce((sum, [id, { ticks }]) => (isDescendant(id) ? sum + ticks * 10_000 : sum), 0);
}

/** Finds a free port. @returns {Promise<number>} */
const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {net.AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/** @param {number} port @returns {Promise<boolean>} */
const isListening = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
