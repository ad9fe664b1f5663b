// Script of every demo page: measures the visit, sends it when the page is left, and shows the values next to
// the budgets of the path.
import { onCLS, onFCP, onFID, onINP, onLCP, onTTFB, start } from "/v1/client.js";

const route = document.documentElement.dataset.route;
start({ endpoint: "/v1/vitals", site: "demo", route, release: "demo-1" });

const table = /** @type {HTMLTableSectionElement} */ (document.querySelector(".own tbody"));
const device = /Mobi/.test(navigator.userAgent) ? "phone" : "desktop";
const answer = await fetch(`/api/budgets/limits?path=${encodeURIComponent(route ?? location.pathname)}&device=${device}`);
const { limits } = answer.ok ? await answer.json() : { limits: {} };

/** @param {import("/v1/client.js").MetricType | import("/v1/client.js").FIDMetric} metric */
function show({ name, value, rating, budget: max, withinBudget }) {
  const row = table.querySelector(`[data-metric=${name}]`);
  if (!row) return;
  const shown = (/** @type {number} */ number) => (name === "CLS" ? number.toFixed(3) : `${Math.round(number)} ms`);
  const [, now, how, budget, verdict] = row.children;
  now.textContent = shown(value);
  how.textContent = rating.replace("-", " ");
  budget.textContent = max === undefined ? "no budget" : `≤ ${shown(max)}`;
  const isWithin = max === undefined ? "none" : withinBudget ? "within" : "over";
  verdict.textContent = { none: "–", within: "✓ within budget", over: "✗ over budget" }[isWithin];
  verdict.className = isWithin;
}

for (const on of [onFCP, onLCP, onCLS, onINP, onFID, onTTFB]) on(show, { reportAllChanges: true, limits });

// A slow handler, so that the visit has an INP.
const button = document.querySelector("[data-work]");
button?.addEventListener("click", () => {
  const until = performance.now() + Number(/** @type {HTMLElement} */ (button).dataset.work);
  while (performance.now() < until);
  const said = document.querySelector("[data-said]");
  if (said) said.textContent = "Interaction measured.";
});
