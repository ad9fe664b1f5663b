// Keeps npm from packing a checkout in which nothing was built: the package would have no client, no Worker and no
// command line.
import { existsSync } from "node:fs";

const BUILT = ["dist/index.js", "dist/toolkit/toolkit.cjs", "dist/action/action.yml", "dist/worker/wrangler.toml", "dist/worker/worker/index_bg.wasm", "dist/worker/platform/front.js", "dist/worker/assets/index.html"];
const missing = BUILT.filter((file) => !existsSync(new URL(file, import.meta.url)));
if (missing.length) {
  console.error(`✗ ${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not built; run \`cargo xtask build\` in the repository first.`);
  process.exit(1);
}
