import { connection } from "next/server";
import { cacheStats } from "edge-vitals/cache";

export async function GET() {
  await connection();
  return Response.json(cacheStats() ?? null);
}
