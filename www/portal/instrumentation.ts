//! What Next.js asks for when it starts. All of it is Node's, and is kept from the bundle of its edge runtime.

export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME === "nodejs") await (await import("#portal/start.ts")).start();
}
