// Checks the Worker's responses against its own OpenAPI document: status, media type and each field.
import assert from "node:assert/strict";

import { Ajv2020 } from "ajv/dist/2020.js";

/** @param {string} text the Worker's OpenAPI document */
export function createChecker(text) {
  const document = JSON.parse(text);
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  for (const keyword of Object.keys(document)) if (!["$id", "$schema"].includes(keyword)) ajv.addKeyword(keyword);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document, paths: undefined });
  /**
   * Throws where a response differs from its description.
   * @param {string} method @param {string} path @param {number} status @param {string} type @param {string} body
   */
  return (method, path, status, type, body) => {
    const name = path.split("?")[0];
    const responses = document.paths[name]?.[method.toLowerCase()]?.responses[String(status)];
    assert.ok(responses, `${method} ${path} returned ${status}, which OpenAPI does not describe: ${body}`);
    const response = responses.$ref ? document.components.responses[responses.$ref.split("/").at(-1)] : responses;
    const kind = type.split(";")[0];
    assert.ok(response.content?.[kind], `${method} ${path} returned ${kind}, which OpenAPI does not describe`);
    if (!kind.endsWith("json") || kind.endsWith("ndjson")) return;
    const { schema } = response.content[kind];
    const valid = ajv.compile(schema.$ref ? { $ref: `https://doc.invalid/openapi.json${schema.$ref}` } : absoluteRefs(schema));
    assert.ok(valid(JSON.parse(body)), `${method} ${path}: ${ajv.errorsText(valid.errors)} in ${body.slice(0, 800)}`);
  };
}

/** Resolves the relative references of a path's schema. @param {any} schema @returns {any} */
function absoluteRefs(schema) {
  if (Array.isArray(schema)) return schema.map(absoluteRefs);
  if (!schema || typeof schema !== "object") return schema;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, key === "$ref" ? `https://doc.invalid/openapi.json${value}` : absoluteRefs(value)]));
}
