// A large site: a thousand routes with views on both devices, sent to the real Worker; and four hundred days of
// history, which repeat a response of the real Worker, since views cannot be sent for past days.
import { beacon, DESKTOP } from "../product.mjs";
import { PHONE } from "./visits.mjs";

export const ROUTES = 1000;
export const DAYS = 400;
const DAY = 86_400_000;

/** @param {(told: unknown, headers: Record<string, string>) => Promise<Response>} send @param {number} [views] of each route on either device */
export async function fill(send, views = 3) {
  const all = Array.from({ length: ROUTES * 2 * views }, (_, index) => {
    const route = index % ROUTES;
    const slow = 0.4 + ((index * 7919) % 1000) / 500;
    const m = { TTFB: Math.round(300 * slow), FCP: Math.round(900 * slow), LCP: Math.round(1700 * slow), CLS: (index * 31) % 2000, INP: Math.round(130 * slow), FID: 9 };
    const told = beacon({ path: `/shelf/${route}/item`, route: `/shelf/${route}/item`, release: `4.${index % 3}.0`, cache: index % 4 ? "hit" : "miss", age: (index * 997) % DAY, m });
    return { told, agent: index % (2 * ROUTES) < ROUTES ? DESKTOP : PHONE };
  });
  const sender = async () => {
    for (let next = all.pop(); next; next = all.pop()) {
      const answer = await send(next.told, { "user-agent": next.agent });
      if (!answer.ok) throw new Error(`a beacon was refused: ${await answer.text()}`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: 32 }, sender));
}

/** A real series, repeated to the length of the history. @template {{ at?: number }} Line @param {{ lines: Line[] }} answer @param {number} [now] */
export function long(answer, now = Date.now()) {
  const today = Math.floor(now / DAY) * DAY;
  // Lines of one time, one for each release, stay together.
  const moments = [...Map.groupBy(answer.lines, ({ at }) => at).values()];
  return { ...answer, lines: Array.from({ length: DAYS }, (_, index) => moments[index % moments.length].map((line) => ({ ...line, at: today - (DAYS - 1 - index) * DAY }))).flat() };
}
