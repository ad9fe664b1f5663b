// The files that the menu of exports writes: CSV, JSON, PNG.
import { make } from "./dom.js";
import { yieldToInput } from "./scheduling.js";

/** @typedef {import("./overview.js").ViewContent} Shown */

/** @param {Shown} shown */
export async function saveTable({ exportData: { name, columns, rows } }) {
  download(`${fileName(name)}.csv`, new Blob(await csvPieces(columns, rows), { type: "text/csv" }));
}

/** @param {Shown} shown */
export async function saveDocument({ exportData: { name, document }, totals: { site } }) {
  download(`${fileName(name)}.json`, new Blob(await jsonPieces({ site, ...(Array.isArray(document) ? { lines: document } : Object(document)) }), { type: "application/json" }));
}

/** @param {Shown} shown */
export async function saveCharts({ exportData: { name } }) {
  await savePng(fileName(name));
}

/** RFC 4180, in pieces. @param {string[]} columns @param {(string | number | null)[][]} rows */
async function csvPieces(columns, rows) {
  const field = (/** @type {string | number | null} */ value) => {
    if (value === null || typeof value === "number") return value === null ? "" : String(value);
    // Names come from outside: a spreadsheet would run one that looks like a formula.
    const tame = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame;
  };
  return inPieces([columns, ...rows], (some) => some.map((row) => `${row.map(field).join(",")}\r\n`).join(""));
}

/** Long lists are written in pieces. @param {Record<string, unknown>} document */
async function jsonPieces(document) {
  const parts = [];
  for (const [key, value] of Object.entries(document)) {
    if (value === undefined) continue;
    parts.push(`${parts.length ? "," : "{"}\n  ${JSON.stringify(key)}: `);
    if (!Array.isArray(value) || value.length < PIECE_ITEMS) parts.push(JSON.stringify(value, null, 2));
    else parts.push("[\n", (await inPieces(value, (some) => some.map((each) => JSON.stringify(each)).join(",\n"))).join(",\n"), "\n]");
  }
  return [...parts, "\n}\n"];
}

/** @template Item @param {Item[]} items @param {(some: Item[]) => string} written */
async function inPieces(items, written) {
  const parts = [];
  for (let at = 0; at < items.length; at += PIECE_ITEMS) {
    parts.push(written(items.slice(at, at + PIECE_ITEMS)));
    await yieldToInput();
  }
  return parts;
}

/** Items that are written in a few milliseconds. */
const PIECE_ITEMS = 1000;

/** All charts of the page in one image, one below the other. @param {string} file */
async function savePng(file) {
  const charts = [...document.querySelectorAll("main canvas, main svg.histogram, main svg.trend")];
  const style = getComputedStyle(document.documentElement);
  const images = await Promise.all(charts.map((chart) => (chart instanceof HTMLCanvasElement ? chart : svgImage(/** @type {SVGElement} */ (chart)))));
  if (images.length === 0) return;
  const width = Math.max(...images.map((image) => image.width));
  const gap = 24;
  const canvas = make("canvas", { width: width + 2 * gap, height: images.reduce((sum, image) => sum + image.height + gap, gap) });
  const context = canvas.getContext("2d");
  if (!context) return;
  context.fillStyle = getComputedStyle(document.body).backgroundColor || style.backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  let top = gap;
  for (const image of images) {
    context.drawImage(image, gap, top);
    top += image.height + gap;
  }
  canvas.toBlob((blob) => blob && download(`${file}.png`, blob), "image/png");
}

/** An SVG as an image, with its computed styles inlined. @param {SVGElement} svg */
async function svgImage(svg) {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  const [from, to] = [svg, copy].map((root) => [root, ...root.querySelectorAll("*")]);
  from.forEach((node, index) => {
    const style = getComputedStyle(node);
    for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-size", "font-family"]) {
      const value = style.getPropertyValue(name);
      to[index].setAttribute(name, value.startsWith("color(") ? "gray" : value);
    }
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute("width", String(Math.round(width * 2)));
  copy.setAttribute("height", String(Math.round(height * 2)));
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} file @param {Blob} blob */
function download(file, blob) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: file, target: "_self" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {string} name */
const fileName = (name) => `edge-vitals-${name.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "")}`;
