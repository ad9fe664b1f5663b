// Drives visits to the demo pages and prints the summary. Called by `cargo xtask dev --visits N`.
import { launch, summaryOf, visit } from "./chromium.mjs";

const [site, count] = process.argv.slice(2);
const number = Number(count);
const routes = ["/demo/", "/demo/product/1", "/demo/article/budgets", "/demo/product/2"];
const before = await (await fetch(`${site}/api/vitals/summary?site=demo`)).json();

console.log(`Drives ${number} visits with Chromium: four pages, phone and desktop, one in three slow.`);
const started = Date.now();
const browsers = { desktop: await launch("desktop"), phone: await launch("phone") };
try {
  for (let index = 0; index < number; index += 1) {
    const device = index % 2 ? "phone" : "desktop";
    const path = routes[Math.floor(index / 2) % routes.length];
    await visit(browsers[device], site + path, { device, slow: index % 3 === 2 });
    if (process.stdout.isTTY) process.stdout.write(`\r  ${index + 1} of ${number}`);
    else if ((index + 1) % 10 === 0) console.log(`  ${index + 1} of ${number}`);
  }
} finally {
  await Promise.all([browsers.desktop.close(), browsers.phone.close()]);
}
const summary = await summaryOf(site, before.views + number);
const seconds = ((Date.now() - started) / 1000).toFixed(1);
console.log(`\n${number} visits in ${seconds} s; ${summary.views - before.views} counted, ${summary.sent - summary.heard} sends lost.\n`);

const head = ["route", "device", "metric", "n", "p75", "budget", "verdict"];
/** @type {(line: any, value: number) => string} */
const format = (line, value) => (line.unit ? `${Math.round(value)} ${line.unit}` : value.toFixed(4));
/** @type {string[][]} */
const rows = summary.cells.map((/** @type {any} */ line) => [
  line.route,
  line.device,
  line.metric,
  String(line.n),
  line.p75 === null ? "–" : format(line, line.p75),
  line.budget ? `≤ ${format(line, line.budget.max)}` : "none",
  line.verdict,
]);
const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column].length)));
for (const row of [head, ...rows]) {
  const cells = row.map((cell, column) => (column === 3 || column === 4 ? cell.padStart(widths[column]) : cell.padEnd(widths[column])));
  console.log(`  ${cells.join("  ").trimEnd()}`);
}
const least = Math.min(...summary.cells.map((/** @type {any} */ line) => line.n));
if (least < 30) console.log("\nA verdict needs at least 30 views of a route on a device; fewer are `insufficient`, and never green.");
