// Validates a budgets.json, and explains the limits of a page.
import { CliError, errorMessage } from "./cli_error.js";
import { budgetsFile, readBudgets } from "./files.js";
import { auditValue, metricValue } from "./report/format.js";
import { table } from "./report/text.js";

export const about = "Validates a budgets.json, or explains the limits of a path.";

export const help = `
  edge-vitals budgets check [FILE]              reports the first error with its line and remedy
  edge-vitals budgets explain /product/42       lists every limit of the path with its line
  edge-vitals budgets explain / --device desktop

  --budgets FILE   the file (edge-vitals/budgets.json)
  --device NAME    phone, tablet or desktop (phone)
  --json           prints JSON`;

export const takesArguments = true;

export const options = /** @type {const} */ ({
  budgets: { type: "string" },
  device: { type: "string" },
  json: { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export function run({ values, positionals: [what, path, ...more] }) {
  if (what === "check" && !more.length && !(path && values.budgets)) return check(path ?? values.budgets ?? budgetsFile());
  if (what === "explain" && path && !more.length) {
    if (!path.startsWith("/")) throw new CliError(`"${path}" is not a path`, `start with /: \`edge-vitals budgets explain /${path}\``);
    return explain(values.budgets ?? budgetsFile(), path, values);
  }
  const remedy = "use `budgets check [FILE]` or `budgets explain /path`; see `edge-vitals budgets --help`";
  throw new CliError(`unknown arguments "${[what, path, ...more].filter(Boolean).join(" ")}" of budgets`, remedy);
}

/** @param {string} file */
function check(file) {
  const budgets = readBudgets(file);
  for (const warning of /** @type {{ line: number, message: string }[]} */ (budgets.warnings())) console.log(`! ${file}:${warning.line}: ${warning.message}`);
  console.log(`✓ ${file} is valid.`);
  return 0;
}

/** @param {string} file @param {string} path @param {{ device?: string, json?: boolean }} how */
function explain(file, path, { device = "phone", json }) {
  const budgets = readBudgets(file);
  let explanation;
  try {
    explanation = budgets.explain(path, device);
  } catch (error) {
    throw new CliError(errorMessage(error), "set --device to one of them");
  }
  if (json) {
    console.log(JSON.stringify(explanation, null, 2));
    return 0;
  }
  const field = explanation.field.map((/** @type {any} */ limit) => [
    limit.metric,
    `≤ ${metricValue(limit.metric, limit.max)}`,
    `p${limit.percentile}, at least ${limit.minSamples} visits`,
    limit.severity,
    `${file}:${limit.line}`,
  ]);
  const lab = explanation.lab.map((/** @type {any} */ assertion) => [
    assertion.audit,
    `≤ ${auditValue(assertion.audit, assertion.max)}`,
    assertion.proxyOf ? `proxy of ${assertion.proxyOf}` : "",
    assertion.severity,
    `${file}:${assertion.line}`,
  ]);
  const side = (/** @type {string} */ title, /** @type {string[][]} */ rows) =>
    rows.length ? `${title}:\n${table(["metric", "budget", "condition", "severity", "source"], rows)}` : `${title}: none.`;
  console.log(`${path} on ${device}\n\n${side("Limits of real visits", field)}\n\n${side("Lab assertions", lab)}`);
  return 0;
}
