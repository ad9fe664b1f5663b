// One application with both routers, built in each of the ways that Next.js has.
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

export default {
  reactStrictMode: true,
  output: process.env.OUTPUT,
  outputFileTracingRoot: root,
  turbopack: { root },
};
