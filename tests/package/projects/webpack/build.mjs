import { resolve } from "node:path";
import { promisify } from "node:util";
import webpack from "webpack";

const stats = await promisify(webpack)({
  mode: "production",
  entry: "./main.js",
  output: { path: resolve("dist"), filename: "main.js" },
});
if (stats.hasErrors()) throw new Error(stats.toString());
