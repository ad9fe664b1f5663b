//! Startup hook of Next.js. It runs on Node only, and is kept out of the edge runtime's bundle.

export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME === "nodejs") await (await import("#portal/start.ts")).start();
}
