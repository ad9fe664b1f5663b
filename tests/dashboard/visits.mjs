// The known data set of the dashboard tests, as plain numbers, from which tests compute every expected value.
import { beacon, DESKTOP } from "../product.mjs";

export const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";
const HOUR = 3_600_000;

/**
 * @typedef {{ route: string, device: "phone" | "desktop", release: string, net: string | undefined, country: string,
 *   cache: "hit" | "miss", age: number, m: Record<string, number>, a?: Record<string, Record<string, string | number>> }} Visit
 */

/** The latest release. */
export const RECENT = "2.5.0";

/** Pages with their views per device, and their slowness. */
const PAGES = /** @type {const} */ ([
  ["/", 120, 0.62],
  ["/product/:id", 110, 1.35],
  ["/search", 80, 0.95],
  ["/cart", 50, 0.8],
  ["/checkout", 40, 2.1],
  ["/help", 8, 0.7],
]);

/** The same in every run. @type {Visit[]} */
export const VISITS = [];
let state = 7;
function chance() {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return state / 2_147_483_648;
}
/** Log-normal, as real loads are. */
const spread = (/** @type {number} */ sigma) => Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance()));

for (const [route, count, pace] of PAGES) {
  for (const device of /** @type {const} */ (["phone", "desktop"])) {
    for (let index = 0; index < count; index += 1) {
      const cache = chance() < 0.7 ? "hit" : "miss";
      const slow = pace * (device === "phone" ? 1.3 : 0.8) * (cache === "miss" ? 1.35 : 1);
      const whole = (/** @type {number} */ value) => Math.max(1, Math.round(value));
      const TTFB = whole(360 * slow * spread(0.4));
      const FCP = whole(TTFB + 520 * slow * spread(0.35));
      VISITS.push({
        route,
        device,
        release: index % 3 === 0 ? "2.4.0" : "2.3.1",
        net: device === "phone" ? ["4g", "3g"][Number(chance() < 0.25)] : undefined,
        country: index % 4 ? "AT" : "DE",
        cache,
        age: Math.round(chance() * 23 * HOUR),
        m: {
          TTFB,
          FCP,
          LCP: whole(FCP + 640 * slow * spread(0.55)),
          CLS: Math.round(340 * pace * spread(0.9)),
          ...(chance() < 0.8 ? { INP: whole(95 * slow * spread(0.6)), FID: whole(14 * slow * spread(0.8)) } : {}),
        },
      });
      told(VISITS[VISITS.length - 1], index);
    }
  }
}

/** Assigns recent views to the latest release, and adds attribution. @param {Visit} visit @param {number} index */
function told(visit, index) {
  const { m, age } = visit;
  if (index % 3 === 0 && age < 3 * HOUR) visit.release = RECENT;
  const rest = m.LCP - m.TTFB;
  visit.a = {
    LCP: {
      target: index % 4 === 0 ? "main>p.lead" : "main>img.hero",
      url: "https://shop.example/hero.avif",
      timeToFirstByte: m.TTFB,
      resourceLoadDelay: Math.floor(rest / 5),
      resourceLoadDuration: Math.floor(rest / 2),
      elementRenderDelay: rest - Math.floor(rest / 5) - Math.floor(rest / 2),
    },
    ...(m.INP ? { INP: { interactionTarget: "button.buy", script: index % 2 ? "https://shop.example/app.js" : "https://tags.example/t.js", inputDelay: 3, processingDuration: Math.max(0, m.INP - 10), presentationDelay: 7 } } : {}),
  };
}

/** Sends all views. @param {{ send: (beacon: unknown, headers: Record<string, string>) => Promise<Response> }} product */
export async function send(product) {
  const all = VISITS.map(({ route, device, release, net, country, cache, age, m, a }, index) => ({
    told: beacon({ id: (index + 1).toString(16).padStart(24, "f00000000000000000000000"), path: route.replace(":id", String(index)), route, release, net, cache, age, m, a }),
    agent: device === "phone" ? PHONE : DESKTOP,
    country,
  }));
  // A view that could not be measured, and a beacon whose predecessors were lost.
  all.push({ told: beacon({ path: "/", route: "/", m: {}, lost: "hidden" }), agent: DESKTOP, country: "XX" }, { told: beacon({ path: "/help", route: "/help", seq: 2, m: { TTFB: 300 } }), agent: DESKTOP, country: "XX" });
  for (let index = 0; index < all.length; index += 64) {
    const answers = await Promise.all(all.slice(index, index + 64).map(({ told, agent, country }) => product.send(told, { "user-agent": agent, "cf-ipcountry": country })));
    for (const answer of answers) if (!answer.ok) throw new Error(`a beacon was refused: ${await answer.text()}`);
  }
}

/** The values of a metric. @param {string} metric @param {(visit: Visit) => boolean} [keep] */
export function values(metric, keep = () => true) {
  return VISITS.filter(keep).flatMap(({ m }) => (metric in m ? [m[metric]] : [])).map((value) => (metric === "CLS" ? value / 10_000 : value));
}

/** The nearest-rank percentile. @param {number[]} all @param {number} percent */
export function exact(all, percent) {
  const sorted = [...all].sort((one, other) => one - other);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1];
}
