// What the Worker answers, held against its own OpenAPI document: the status, the media type, each field.
import assert from "node:assert/strict";

import { Ajv2020 } from "ajv/dist/2020.js";

/** @param {string} text the document, as the Worker gives it */
export function described(text) {
  const document = JSON.parse(text);
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  for (const word of Object.keys(document)) if (!["$id", "$schema"].includes(word)) ajv.addKeyword(word);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document, paths: undefined });
  /**
   * Throws where an answer is not as it is described.
   * @param {string} method @param {string} path @param {number} status @param {string} type @param {string} body
   */
  return (method, path, status, type, body) => {
    const name = path.split("?")[0];
    const answers = document.paths[name]?.[method.toLowerCase()]?.responses[String(status)];
    assert.ok(answers, `${method} ${path} answers ${status}, which is not described: ${body}`);
    const response = answers.$ref ? document.components.responses[answers.$ref.split("/").at(-1)] : answers;
    const kind = type.split(";")[0];
    assert.ok(response.content?.[kind], `${method} ${path} answers ${kind}, which is not described`);
    if (!kind.endsWith("json")) return;
    const { schema } = response.content[kind];
    const valid = ajv.compile(schema.$ref ? { $ref: `https://doc.invalid/openapi.json${schema.$ref}` } : absolute(schema));
    assert.ok(valid(JSON.parse(body)), `${method} ${path}: ${ajv.errorsText(valid.errors)} in ${body.slice(0, 800)}`);
  };
}

/** A schema of a path, whose references are told from where it stands. @param {any} schema @returns {any} */
function absolute(schema) {
  if (Array.isArray(schema)) return schema.map(absolute);
  if (!schema || typeof schema !== "object") return schema;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, key === "$ref" ? `https://doc.invalid/openapi.json${value}` : absolute(value)]));
}
