// The deployed product in workerd, on a free port, for one test file: the built Worker with its static
// files and its Durable Objects on SQLite.
import { createTestHarness } from "wrangler";

/**
 * @param {Record<string, any>} [vars] variables that replace those of the environment `dev`
 * @param {string} [configPath]
 */
export async function serve(vars = {}, configPath = "wrangler.toml") {
  const harness = createTestHarness({
    root: new URL("..", import.meta.url).pathname,
    workers: [{ configPath, env: "dev", prebuiltWorkerDir: "build/packed", vars }],
  });
  const { url } = await harness.listen();
  const origin = url.origin;
  return {
    origin,
    worker: harness.getWorker(),
    logs: () => harness.getLogs(),
    close: () => harness.close(),

    /** @param {unknown} beacon @param {Record<string, string>} [headers] */
    send: (beacon, headers = {}) =>
      fetch(`${origin}/v1/vitals`, {
        method: "POST",
        body: typeof beacon === "string" ? beacon : JSON.stringify(beacon),
        headers: { "user-agent": DESKTOP, ...headers },
      }),

    /** @param {string} [query] */
    summary: async (query = "site=demo") => {
      const answer = await fetch(`${origin}/api/vitals/summary?${query}`);
      if (!answer.ok) throw new Error(`the summary request returned ${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
  };
}

/** The user agent of a desktop browser. */
export const DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36";

let views = 0;

/**
 * Creates a beacon for a new view.
 * @param {Record<string, any>} [fields]
 */
export function beacon(fields = {}) {
  views += 1;
  const id = views.toString(16).padStart(24, "0");
  return { v: 1, site: "demo", id, view: 0, seq: 0, nav: "navigate", path: "/a", age: 5, m: { LCP: 1234, CLS: 20 }, ...fields };
}

/**
 * Finds the summary's cell of a route, metric and device.
 * @param {{ cells: any[] }} summary @param {string} route @param {string} metric @param {string} [device]
 */
export function line(summary, route, metric, device = "desktop") {
  return summary.cells.find((cell) => cell.route === route && cell.metric === metric && cell.device === device);
}
