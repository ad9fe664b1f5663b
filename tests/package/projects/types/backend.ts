import { perRequest, receive, receiveExpress, track, withMonitoring } from "edge-vitals/backend";
import { cached, cacheStats, EdgeCacheError, invalidate, prewarm, purgeTag, purgeTags, purgeUrl, warm } from "edge-vitals/cache";

const keys = { "2027-01": "an example secret of 32 bytes..." };

export const POST: (request: Request) => Promise<Response> = receive({
  keys,
  store: async ({ key, site, span, start, revision }) => {
    console.log(key.length, site.length, span === "hour", start.getTime(), revision + 1);
  },
});
receiveExpress({ keys, store: async () => false });

try {
  const { seq } = await purgeTag("product:42", { soft: true });
  await purgeUrl(new URL("https://www.example.com/product/42"), { edge: "https://www.example.com", token: "secret" });
  const { warmed } = await warm(["https://www.example.com/"], { most: 10 });
  console.log(seq + warmed);
} catch (error) {
  if (error instanceof EdgeCacheError) console.error(error.status?.toFixed());
}

// @ts-expect-error what receives stores
receive({ keys });

const price: Promise<number> = cached("price", async () => 12, { ttl: "short", tags: ["products"], vary: { lang: "de" } });
const rows: Promise<string[]> = track("listProducts", () => ["aloe"], { kind: "redis" });
const made: () => Map<string, number> = perRequest(() => new Map());
await invalidate({ tag: ["products"], soft: true });
await prewarm([{ key: "price", load: () => price }], { onProgress: ({ done, total }) => console.log(done / total) });
await purgeTags(["a", "b"], { soft: true });
console.log((await rows).length, made().size, cacheStats()?.purges.waiting);
export const GET: (request: Request, context: { params: Promise<{ id: string }> }) => Promise<Response> = withMonitoring(
  async (_, { params }) => Response.json(await params),
  { onRequest: ({ durationMs }) => console.log(durationMs) },
);

// @ts-expect-error a class of lifetimes, or seconds
cached("price", async () => 12, { ttl: "forever" });
// @ts-expect-error one of key, tag, prefix and all
invalidate({ name: "price" });
