// Adds the path that runs the cron (cron.js) to the product.

/** @param {ReturnType<typeof import("../faults/workerd.mjs").product>} worker */
export function withCron(worker) {
  const main = new URL("cron.js", import.meta.url).pathname;
  return { ...worker, modules: { "cron.js": main, ...worker.modules } };
}
