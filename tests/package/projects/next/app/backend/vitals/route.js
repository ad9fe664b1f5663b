import { receive } from "edge-vitals/backend";

const stored = new Map();

export const POST = receive({
  keys: { "2027-01": process.env.EDGE_VITALS_SECRET ?? "an example secret of 32 bytes..." },
  async store({ key, document }) {
    if (stored.has(key)) return false;
    stored.set(key, document);
  },
});
