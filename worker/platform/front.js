// The entry for a workerd of one's own: the Worker behind the fields that Cloudflare's network would set, and its
// cron on a socket of its own.
import { WorkerEntrypoint } from "cloudflare:workers";
import worker from "./index.js";

export { Shard, TagClock } from "./index.js";

export default {
  /**
   * @param {Request} request
   * @param {PlatformEnv} env
   * @param {ExecutionContext} context
   */
  async fetch(request, env, context) {
    const passed = withTrueFields(request, env);
    if (env.PLATFORM.reportsBeacons && request.method === "POST" && new URL(request.url).pathname === "/v1/vitals") {
      return reportBeacon(passed, env, context);
    }
    return worker.fetch(passed, env, context);
  },
};

/** Runs the cron. Only the program that started workerd knows its port. @extends {WorkerEntrypoint<PlatformEnv>} */
export class Cron extends WorkerEntrypoint {
  async fetch() {
    await worker.scheduled({ cron: "*/15 * * * *", scheduledTime: Date.now() }, this.env, this.ctx);
    return new Response(null, { status: 204 });
  }
}

/**
 * Removes the fields that only the network may set, and sets the visitor's address: that of the connection or, behind
 * a proxy, the one that the proxy appended last. A visitor can send all earlier ones himself.
 * @param {Request & { cf?: { clientIp?: string } }} request @param {PlatformEnv} env
 */
function withTrueFields(request, env) {
  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()]) if (name.startsWith("cf-")) headers.delete(name);
  const { trustsProxy } = env.PLATFORM;
  const forwarded = trustsProxy ? headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() : undefined;
  const address = forwarded || withoutPort(request.cf?.clientIp ?? "");
  if (address) headers.set("cf-connecting-ip", address);
  const isSecure = trustsProxy && headers.get("x-forwarded-proto") === "https";
  return new Request(isSecure ? request.url.replace(/^http:/, "https:") : request.url, new Request(request, { headers }));
}

/** `192.0.2.1:5000` and `[2001:db8::1]:5000` without the port. @param {string} address */
const withoutPort = (address) => address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");

/**
 * Prints what became of a beacon, for the terminal of `edge-vitals dev`.
 * @param {Request} request @param {PlatformEnv} env @param {ExecutionContext} context
 */
async function reportBeacon(request, env, context) {
  const copy = request.clone();
  const response = await worker.fetch(request, env, context);
  const { status } = response;
  const { site, path } = await copy.json().catch(() => ({}));
  const refusal = status < 400 ? undefined : await response.clone().json().catch(() => undefined);
  console.log(`beacon ${JSON.stringify({ status, origin: request.headers.get("origin"), site, path, reason: refusal?.type, detail: refusal?.detail })}`);
  return response;
}
