// What a budgets.json says: whether it is right, and what applies to a page.
import { budgetsIn } from "./files.js";
import { audited, measured } from "./report/words.js";
import { table } from "./report/text.js";
import { reason, Trouble } from "./trouble.js";

export const about = "Checks a budgets.json, or explains what applies to a path and why.";

export const help = `
  edge-vitals budgets check                     names the first mistake: line, key, nearest valid name
  edge-vitals budgets explain /product/42       every limit that applies there, with its line
  edge-vitals budgets explain / --device desktop

  --budgets FILE   the file (lighthouse/budgets.json)
  --device NAME    phone, tablet or desktop (phone)
  --json           prints it for programs`;

export const options = /** @type {const} */ ({
  budgets: { type: "string" },
  device: { type: "string" },
  json: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values, positionals: [what, path, ...more] }) {
  const file = values.budgets ?? "lighthouse/budgets.json";
  if (what === "check" && !path) {
    budgetsIn(file);
    console.log(`✓ ${file} is right.`);
    return 0;
  }
  if (what === "explain" && path?.startsWith("/") && !more.length) return explain(file, path, values);
  const next = "it is `budgets check`, or `budgets explain /path`; `edge-vitals budgets --help` has examples";
  throw new Trouble(`budgets cannot do "${[what, path, ...more].filter(Boolean).join(" ")}"`, next);
}

/** @param {string} file @param {string} path @param {{ device?: string, json?: boolean }} how */
function explain(file, path, { device = "phone", json }) {
  const budgets = budgetsIn(file);
  let found;
  try {
    found = budgets.explain(path, device);
  } catch (error) {
    throw new Trouble(reason(error), "choose one of them with --device");
  }
  if (json) {
    console.log(JSON.stringify(found, null, 2));
    return 0;
  }
  const field = found.field.map((/** @type {any} */ limit) => [
    limit.metric,
    `≤ ${measured(limit.metric, limit.max)}`,
    `${limit.percentile} of 100 visits, from ${limit.minSamples} on`,
    limit.severity,
    `${file}:${limit.line}`,
  ]);
  const lab = found.lab.map((/** @type {any} */ asked) => [
    asked.audit,
    `≤ ${audited(asked.audit, asked.max)}`,
    asked.proxyOf ? `stands in for ${asked.proxyOf}` : "",
    asked.severity,
    `${file}:${asked.line}`,
  ]);
  const side = (/** @type {string} */ title, /** @type {string[][]} */ rows) =>
    rows.length ? `${title}:\n${table(["what", "budget", "how", "severity", "says"], rows)}` : `${title}: nothing.`;
  console.log(`${path} on a ${device}\n\n${side("Real visits must keep", field)}\n\n${side("The lab asserts", lab)}`);
  return 0;
}
