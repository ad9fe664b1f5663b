import { receive, receiveExpress } from "edge-vitals/backend";
import { EdgeCacheError, purgeTag, purgeUrl, warm } from "edge-vitals/cache";

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
