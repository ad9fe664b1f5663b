// The two charts: a metric over time, and a distribution. Both have a text alternative, and take their colours
// from the style sheet, so that they follow the theme.
import uPlot from "uplot";

import { draw, make } from "./dom.js";
import { compact, count, dateTime, metricValue, percent } from "./format.js";

/**
 * @typedef {{ at: number, value: number, low: number, high: number, n: number }} Point
 * @typedef {{ good: number, poor: number, budget: number | null }} Limits
 * @typedef {{ at: number, name: string, kind: "release" | "purge" }} Mark
 */

/**
 * The 75th percentile over time with its interval, the limits, and the number of views.
 * @param {Point[]} points @param {[number, number]} span @param {string} unit @param {Limits} limits @param {string} label
 * @param {Mark[]} [marks] releases and purges
 */
export function historyChart(points, [from, to], unit, { good, poor, budget }, label, marks = []) {
  const box = make("div", { class: "chart", role: "img", "aria-label": label });
  const readout = make("p", { class: "readout quiet" }, "Point at the chart for the values.");
  const x = points.map(({ at }) => at / 1000);
  const column = (/** @type {(point: Point) => number | null} */ of) => points.map(of);
  /** @type {uPlot.AlignedData} */
  const data = [x, column(({ low }) => low), column(({ high }) => high), column((point) => point.value), column(({ n }) => n)];
  const values = points.map((point) => point.value);
  const most = Math.max(...values, budget ?? 0, good) * 1.15;
  const [ink, quiet, lines, accent, tintOfGood, tintOfPoor] = ["--ink", "--quiet", "--line", "--accent", "--good", "--poor"].map(themeColour);
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;

  const limitLines = (/** @type {uPlot} */ plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = font.replace("12px", `${12 * devicePixelRatio}px`);
    for (const [limit, name, tint, dash] of /** @type {[number | null, string, string, number[]][]} */ ([
      [good, "good", tintOfGood, [2, 4]],
      [poor, "poor", tintOfPoor, [2, 4]],
      [budget, "budget", ink, [7, 4]],
    ])) {
      if (limit === null || limit > most) continue;
      const y = plot.valToPos(limit, "y", true);
      ctx.strokeStyle = ctx.fillStyle = tint;
      ctx.lineWidth = devicePixelRatio * 1.25;
      ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.textAlign = name === "budget" ? "left" : "right";
      ctx.fillText(name, name === "budget" ? bbox.left + 4 * devicePixelRatio : bbox.left + bbox.width - 4 * devicePixelRatio, y - 4 * devicePixelRatio);
    }
    ctx.restore();
  };
  const markLines = (/** @type {uPlot} */ plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = font.replace("12px", `${11 * devicePixelRatio}px`);
    ctx.lineWidth = devicePixelRatio;
    let taken = Infinity;
    for (const { at, name, kind } of [...marks].sort((one, other) => other.at - one.at)) {
      const x = Math.round(plot.valToPos(at / 1000, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = kind === "release" ? accent : quiet;
      ctx.setLineDash(kind === "release" ? [] : [2, 3].map((length) => length * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const text = kind === "release" ? name : "purge";
      const wide = ctx.measureText(text).width + 8 * devicePixelRatio;
      // A name that would overlap the next one is in the list below the chart only.
      const left = x + wide > bbox.left + bbox.width;
      if (left || x + wide <= taken) {
        ctx.textAlign = left ? "right" : "left";
        ctx.fillText(text, x + (left ? -4 : 4) * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
        taken = left ? x - wide : x;
      }
    }
    ctx.restore();
  };
  const axis = { stroke: quiet, grid: { stroke: lines, width: 1 }, ticks: { show: false }, font };
  const bars = uPlot.paths.bars;
  /** @type {uPlot.Options} */
  const options = {
    width: 600,
    height: 300,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    padding: [12, 8, 0, 0],
    scales: {
      x: { time: true, range: () => [from / 1000, to / 1000] },
      y: { range: () => [0, most] },
      // Bars of views stay in the lowest fifth, below the line.
      n: { range: (_, __, top) => [0, Math.max(top, 1) * 5] },
    },
    axes: [
      { ...axis, space: 84, grid: { show: false }, values: timeTicks },
      { ...axis, size: 68, values: (_, splits) => splits.map((split) => metricValue(split, unit)) },
    ],
    series: [
      {},
      { stroke: "transparent", width: 0, points: { show: false } },
      { stroke: "transparent", width: 0, points: { show: false } },
      { stroke: accent, width: 2, points: { show: points.length < 60, size: 5, fill: accent } },
      { scale: "n", stroke: "transparent", fill: `color-mix(in srgb, ${quiet} 35%, transparent)`, paths: bars?.({ size: [0.7, 24] }), points: { show: false } },
    ],
    bands: [{ series: [2, 1], fill: `color-mix(in srgb, ${accent} 18%, transparent)` }],
    hooks: {
      draw: [limitLines, markLines],
      setCursor: [
        (plot) => {
          const index = plot.cursor.idx;
          const point = index === null || index === undefined ? undefined : points[index];
          readout.textContent = point
            ? `${dateTime(point.at)}: ${metricValue(point.value, unit)} (${metricValue(point.low, unit)} – ${metricValue(point.high, unit)}), ${count(point.n)} views`
            : "Point at the chart for the values.";
        },
      ],
    },
  };
  // The chart follows the width of its container.
  /** @type {uPlot | undefined} */
  let plot;
  const watcher = new ResizeObserver(() => {
    if (!box.isConnected) {
      watcher.disconnect();
      plot?.destroy();
      return;
    }
    const size = { width: Math.max(box.clientWidth, 240), height: box.clientWidth < 560 ? 220 : 300 };
    if (plot) plot.setSize(size);
    else plot = new uPlot({ ...options, ...size }, data, box);
  });
  watcher.observe(box);
  return make("figure", { class: "figure" }, box, readout);
}

/** A colour of the current theme, in a form that a canvas accepts. @param {string} name */
function themeColour(name) {
  const probe = make("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Axis labels in local time, as short as the range allows. @param {uPlot} plot @param {number[]} splits */
function timeTicks(plot, splits) {
  const span = (plot.scales.x.max ?? 0) - (plot.scales.x.min ?? 0);
  const form =
    span <= 2 * 86_400
      ? new Intl.DateTimeFormat(navigator.languages, { hour: "numeric", minute: "2-digit" })
      : new Intl.DateTimeFormat(navigator.languages, span > 200 * 86_400 ? { month: "short", year: "2-digit" } : { day: "numeric", month: "short" });
  return splits.map((at) => form.format(at * 1000));
}

/**
 * A histogram of visits on a logarithmic scale.
 * @param {[number, number, number][]} buckets smallest value, largest value, visits
 * @param {string} unit @param {Limits} limits @param {{ percent: number, value: number } | null} mark
 */
export function histogram(buckets, unit, { good, poor, budget }, mark) {
  const total = buckets.reduce((sum, [, , visits]) => sum + visits, 0);
  // Narrower on a phone, so that the text keeps its size.
  const [width, height, foot] = [matchMedia("(max-width: 46rem)").matches ? 380 : 640, 220, 34];
  const known = buckets.filter(([, high]) => high > 0);
  const start = Math.max(Math.min(...known.map(([low, high]) => low || high), good / 4), good / 40);
  const end = Math.max(...known.map(([, high]) => high), poor * 1.3);
  const x = (/** @type {number} */ at) => (at <= start ? 0 : (Math.log(at / start) / Math.log(end / start)) * width);
  // Bars of equal width; one bar may hold several buckets of the sketch.
  const places = width / 10;
  /** @type {{ visits: number, kind: string }[]} */
  const bars = Array.from({ length: places }, () => ({ visits: 0, kind: "good" }));
  for (const [low, high, visits] of buckets) {
    const middle = (low + high) / 2;
    const bar = bars[Math.min(places - 1, Math.floor((x(middle) / width) * places))];
    bar.visits += visits;
    bar.kind = middle > poor ? "poor" : middle > good ? "between" : "good";
  }
  const tallest = Math.max(...bars.map(({ visits }) => visits), 1);
  const floor = height - foot;
  const svg = draw("svg", { class: "histogram", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": ariaLabel(buckets, total, good, poor) });
  bars.forEach(({ visits, kind }, index) => {
    if (visits === 0) return;
    const tall = Math.max((visits / tallest) * (floor - 34), 1.5);
    const bar = draw("rect", { class: kind, x: (index * width) / places + 0.75, y: floor - tall, width: width / places - 1.5, height: tall, rx: 1.5 });
    bar.append(draw("title", null, `${compact(visits)} visits, ${percent(visits / total)}`));
    svg.append(bar);
  });
  svg.append(draw("path", { class: "axis", d: `M0 ${floor + 0.5}H${width}` }));
  for (const tick of valueTicks(start, end)) {
    svg.append(draw("text", { class: "tick", x: x(tick), y: height - 14, "text-anchor": "middle" }, metricValue(tick, unit)));
  }
  const limits = /** @type {[number | null, string, string][]} */ ([
    [good, "good", "good"],
    [poor, "poor", "poor"],
    [budget === good ? null : budget, "budget", "budget"],
    [mark?.value ?? null, mark ? `p${mark.percent}` : "", "mark"],
  ]);
  limits.forEach(([limit, name, kind]) => {
    if (limit === null || limit > end) return;
    const at = x(limit);
    const row = kind === "mark" ? 10 : kind === "budget" ? 22 : 34;
    svg.append(draw("path", { class: `limit ${kind}`, d: `M${at} ${row - 6}V${floor}` }));
    const right = at > width - 60;
    svg.append(draw("text", { class: `limit ${kind}`, x: at + (right ? -5 : 5), y: row, "text-anchor": right ? "end" : "start" }, name));
  });
  return svg;
}

/** Round numbers, at most seven where possible. @param {number} start @param {number} end */
function valueTicks(start, end) {
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(start)); power <= end; power *= 10) {
    for (const step of [1, 2, 5]) if (power * step > start * 1.15 && power * step < end * 0.93) found.push(power * step);
  }
  return found.length > 7 ? found.filter((tick) => !String(tick).includes("2")) : found;
}

/** @param {[number, number, number][]} buckets @param {number} total @param {number} good @param {number} poor */
function ariaLabel(buckets, total, good, poor) {
  const share = (/** @type {(high: number) => boolean} */ is) => percent(buckets.reduce((sum, [, high, visits]) => sum + (is(high) ? visits : 0), 0) / Math.max(total, 1));
  return `Distribution of ${count(total)} visits: ${share((high) => high <= good)} good, ${share((high) => high > good && high <= poor)} needs improvement, ${share((high) => high > poor)} poor`;
}
