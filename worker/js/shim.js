// The entry for workerd: the handler, and the classes of the Durable Objects.
import { manage } from "./admin.js";
import * as wasm from "./index.js";
import { ingest } from "./ingest.js";
import { guard } from "./module.js";
import { CACHE_ADMIN_PREFIX, OWN_PATHS, RESERVED_PATHS } from "./own_paths.js";
import { read } from "./reads.js";
import { serve } from "./serve.js";
import { warmByCron } from "./warm.js";

export { Shard, TagClock } from "./objects.js";

export default {
  /**
   * @param {Request} request
   * @param {WorkerEnv} env
   * @param {ExecutionContext} context
   */
  fetch(request, env, context) {
    const { url } = request;
    const at = url.indexOf("/", 8);
    if (request.method === "POST" && url.startsWith("/v1/vitals", at)) {
      const query = url.slice(at + 10);
      if (query === "" || query[0] === "?") {
        return guard(() => ingest(request, env, context, url.slice(0, at), query ? query.slice(1) : undefined));
      }
    }
    return guard(() => route(request, env, context, url, url.slice(at).split("?", 1)[0]));
  },
  /**
   * @param {unknown} event
   * @param {WorkerEnv} env
   * @param {ExecutionContext} context
   */
  async scheduled(event, env, context) {
    await guard(() => wasm.scheduled(event, env, context));
    await guard(() => warmByCron(env, context));
  },
};

/**
 * The Worker's own paths come before the routes of the cache. Everything else is a file, or not found.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string} url
 * @param {string} path
 */
function route(request, env, context, url, path) {
  if (path.startsWith(CACHE_ADMIN_PREFIX)) return manage(request, env, context, path);
  const response = OWN_PATHS.has(path) || RESERVED_PATHS.test(path) ? undefined : serve(request, env, context, url);
  return response ?? read(request, env, context);
}
