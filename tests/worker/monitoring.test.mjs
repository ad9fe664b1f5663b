// The files for Prometheus and Grafana query only exported metrics, use the limits of the alerts, and
// are accepted by Prometheus's own tool.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const read = (/** @type {string} */ path) => readFileSync(path, "utf8");
const rules = read("monitoring/rules.yml");
const dashboards = readdirSync("monitoring/grafana").filter((file) => file.endsWith(".json")).map((file) => ({ file, dashboard: JSON.parse(read(`monitoring/grafana/${file}`)) }));
// A golden export that contains every family (crates/export/tests/exports.rs).
const exported = new Set([...read("crates/export/tests/golden/metrics.txt").matchAll(/^([a-z_]+)\{/gm)].map(([, name]) => name));

/** @param {string[]} args @param {import("node:test").TestContext} t */
function promtool(args, t) {
  const { error, status, stdout, stderr } = spawnSync("promtool", args, { encoding: "utf8" });
  if (error) return t.skip("promtool is not installed (Debian package `prometheus`)");
  assert.equal(status, 0, stdout + stderr);
}

/** Returns the metrics in an expression. @param {string} expression */
const metricsIn = (expression) => [...expression.matchAll(/\b((?:web_vitals|http|cache|db|edge_vitals)_[a-z_]+)\b/g)].map(([, name]) => name);

/** Returns the expressions of a dashboard. @param {any} dashboard @returns {string[]} */
const expressions = (dashboard) => dashboard.panels.flatMap((/** @type {any} */ panel) => panel.targets.map((/** @type {any} */ target) => target.expr));

/** Tells whether the Worker exports a metric once it is measured. @param {string} name */
function isExported(name) {
  if (exported.has(name)) return true;
  // The golden export has two of the six vitals; the others have the same shape.
  return /^web_vitals_(fcp|inp|fid|ttfb)_seconds_(bucket|sum|count)$/.test(name) && exported.has(name.replace(/fcp|inp|fid|ttfb/, "lcp"));
}

test("promtool accepts the rules, and their alerts fire in its tests", (t) => {
  promtool(["check", "rules", "monitoring/rules.yml"], t);
  promtool(["test", "rules", "monitoring/rules.test.yml"], t);
});

test("promtool accepts the scrape configuration", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "edge-vitals-"));
  try {
    for (const file of ["prometheus.yml", "rules.yml"]) writeFileSync(join(folder, file), read(`monitoring/${file}`));
    writeFileSync(join(folder, "read-token"), "token");
    promtool(["check", "config", join(folder, "prometheus.yml")], t);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("promtool accepts each expression of each dashboard", (t) => {
  const all = dashboards.flatMap(({ dashboard }) => expressions(dashboard));
  assert.ok(all.length > 20, `${all.length} expressions`);
  const folder = mkdtempSync(join(tmpdir(), "edge-vitals-"));
  try {
    const lines = all.map((expression, index) => `      - record: expression:${index}\n        expr: ${JSON.stringify(expression.replaceAll("$__rate_interval", "5m").replace(/\$(\w+)/g, "x"))}`);
    writeFileSync(join(folder, "rules.yml"), `groups:\n  - name: dashboards\n    rules:\n${lines.join("\n")}\n`);
    promtool(["check", "rules", join(folder, "rules.yml")], t);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("rules and dashboards query only exported metrics", () => {
  const used = new Set([rules, ...dashboards.map(({ dashboard }) => JSON.stringify(dashboard))].flatMap(metricsIn));
  const recorded = /^(?:http_errors|http_requests|http_request_duration_seconds|cache_hits|db_query_duration_seconds|web_vitals_\w+)$/;
  const missing = [...used].filter((name) => !isExported(name) && !recorded.test(name));
  assert.deepEqual(missing, []);
  assert.ok(used.size > 15, `${used.size} names`);
  for (const name of ["http_requests_total", "http_request_duration_seconds_bucket", "cache_hits_total", "cache_misses_total", "db_query_duration_seconds_bucket"]) assert.ok(used.has(name), name);
});

test("each recording that an alert uses is defined", () => {
  const recorded = [...rules.matchAll(/record: (\S+)/g)].map(([, name]) => name);
  const used = [...rules.matchAll(/\b(site\w*:\w+:\w+)\b/g)].map(([, name]) => name);
  assert.deepEqual(used.filter((name) => !recorded.includes(name)), []);
});

test("the limits are those of docs/alerts.md", () => {
  const limits = (/** @type {string} */ signal) => {
    const row = read("docs/alerts.md").split("\n").find((line) => line.startsWith(`| \`${signal}\` |`)) ?? "";
    const [, , , , warning, critical] = row.split("|");
    return [warning, critical].map((cell) => Number(/(?:over|under) ([\d.]+)/.exec(cell)?.[1]));
  };
  const used = (/** @type {string} */ alert) => Number(new RegExp(`alert: ${alert}\n(?:.*#.*\n)? *expr: .* [<>] ([\\d.]+)$`, "m").exec(rules)?.[1]);
  for (const [signal, scale, warning, critical] of /** @type {[string, number, string, string?][]} */ ([
    ["response-time", 1000, "SlowAnswers", "VerySlowAnswers"],
    ["hit-ratio", 100, "ColdCache"],
    ["query-time", 1000, "SlowQuery", "VerySlowQuery"],
    ["error-rate", 100, "Errors", "ManyErrors"],
    ["memory", 100, "Memory", "MemoryAlmostGone"],
    ["push-backlog", 1, "BackendBehind", "BackendFarBehind"],
  ])) {
    const [first, second] = limits(signal);
    assert.equal(used(warning) * scale, first, warning);
    if (critical) assert.equal(used(critical) * scale, second, critical);
  }
});
