import { receive } from "edge-vitals/backend";

const stored = new Map();

// Made at each request, because `next build` loads this file without the secret. Without it, every request fails.
export const POST = (request) =>
  receive({
    keys: { "2027-01": process.env.EDGE_VITALS_SECRET ?? "" },
    async store({ key, document }) {
      if (stored.has(key)) return false;
      stored.set(key, document);
    },
  })(request);
