import { receive } from "edge-vitals/backend";

const stored = new Map();
const secret = process.env.EDGE_VITALS_SECRET;
// `next build` loads this file, too, and needs no secret.
if (!secret && process.env.NEXT_PHASE !== "phase-production-build") throw new Error("EDGE_VITALS_SECRET is not set");

export const POST = receive({
  keys: { "2027-01": secret ?? "" },
  async store({ key, document }) {
    if (stored.has(key)) return false;
    stored.set(key, document);
  },
});
