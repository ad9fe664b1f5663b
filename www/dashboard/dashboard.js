// The summary as a page: what was measured on each route, and what it says of the budget.

/**
 * @typedef {{ max: number, percentile: number, n: number, k: number, line: number }} Budget
 * @typedef {{ route: string, device: string, metric: string, unit: string, n: number, p75: number | null,
 *   p75_interval: [number, number] | null, good: number, needs_improvement: number, poor: number,
 *   budget: Budget | null, verdict: string }} Line
 * @typedef {{ site: string, views: number, visits: number, sent: number, heard: number, heard_at?: number,
 *   lost: Record<string, number>, cells: Line[] }} Summary
 */

const about = element("about");
const routes = element("routes");
element("again").addEventListener("click", read);
read();

async function read() {
  const site = new URLSearchParams(location.search).get("site");
  try {
    const answer = await fetch(`/api/vitals/summary${site ? `?site=${encodeURIComponent(site)}` : ""}`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    show(await answer.json());
  } catch (error) {
    about.textContent = `The summary could not be read. ${error instanceof Error ? error.message : ""}`;
  }
}

/** @param {Summary} summary */
function show(summary) {
  const lost = summary.sent - summary.heard + Object.values(summary.lost).reduce((sum, count) => sum + count, 0);
  about.textContent = summary.heard_at
    ? `Site ${summary.site}, the last day: ${plural(summary.views, "view")}, ${lost} known to be lost; ` +
      `last heard ${new Date(summary.heard_at).toLocaleTimeString()}.`
    : `Site ${summary.site}: nothing was heard in the last day.`;
  /** @type {Map<string, Line[]>} */
  const groups = new Map();
  for (const line of summary.cells) {
    const name = `${line.route}\n${line.device}`;
    groups.set(name, [...(groups.get(name) ?? []), line]);
  }
  routes.replaceChildren(...(groups.size ? [...groups.values()].map(section) : [firstSteps(summary.site)]));
}

/** @param {Line[]} lines */
function section(lines) {
  const { route, device } = lines[0];
  const numbers = ["Views", "p75", "95 % sure", "Budget", "Within"];
  const head = ["Metric", "Views", "p75", "95 % sure", "Good · between · poor", "Budget", "Within", "Verdict"].map((name) =>
    make("th", numbers.includes(name) ? { class: "number" } : {}, [name]),
  );
  return make("section", {}, [
    make("h2", {}, [`${route} `, make("small", {}, [device])]),
    make("table", {}, [
      make("thead", {}, [make("tr", {}, head)]),
      make("tbody", {}, lines.map(row)),
    ]),
  ]);
}

/** @param {Line} line */
function row(line) {
  const { budget } = line;
  const value = (/** @type {number} */ number) =>
    line.unit === "ms" ? `${Math.round(number)} ms` : number.toLocaleString(undefined, { maximumFractionDigits: 4 });
  return make("tr", { "data-metric": line.metric, "data-verdict": line.verdict }, [
    make("th", {}, [line.metric]),
    cell(String(line.n)),
    cell(line.p75 === null ? "–" : value(line.p75)),
    cell(line.p75_interval ? line.p75_interval.map(value).join(" – ") : "–"),
    make("td", {}, [shares(line)]),
    cell(budget ? `≤ ${value(budget.max)}` : "none"),
    cell(budget ? `${budget.k} of ${budget.n}` : "–"),
    make("td", { class: `verdict ${line.verdict}` }, [line.verdict === "none" ? "no budget" : line.verdict]),
  ]);
}

/** @param {Line} line */
function shares({ n, good, needs_improvement, poor }) {
  const percent = (/** @type {number} */ share) => `${Math.round(share * 100)} %`;
  const label = n ? `${percent(good)} good, ${percent(needs_improvement)} between, ${percent(poor)} poor` : "no data";
  const bar = make("div", { class: "shares", role: "img", "aria-label": label, title: label }, []);
  for (const [name, share] of /** @type {[string, number][]} */ ([["good", good], ["between", needs_improvement], ["poor", poor]])) {
    const part = make("i", { class: name }, []);
    part.style.width = `${share * 100}%`;
    bar.append(part);
  }
  return bar;
}

/** @param {string} site */
function firstSteps(site) {
  const code = `import { start } from "${location.origin}/v1/client.js";\n` + `start({ endpoint: "${location.origin}/v1/vitals", site: "${site}" });`;
  return make("section", {}, [
    make("h2", {}, ["No visits yet"]),
    make("p", {}, ["Put this into a module script of your pages; the numbers appear here when a visitor leaves one."]),
    make("pre", {}, [code]),
  ]);
}

/** @param {string} text */
function cell(text) {
  return make("td", { class: "number" }, [text]);
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
function make(name, attributes, children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** @param {number} count @param {string} noun */
function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
