import { resolve } from "node:path";
import type { NextConfig } from "next";

const root = resolve("../..");

const config: NextConfig = { turbopack: { root } };

export default config;
