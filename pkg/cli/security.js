// `edge-vitals doctor --security`: the weak points of a deployment. What can be seen from outside is asked for; the
// rest is read from wrangler.toml's settings and the file of token hashes, where they are given.

/**
 * The known facts of a deployment. A field is absent if nobody could tell.
 * @typedef {object} Findings
 * @property {{ site: string, url: string, isPublic?: boolean, hasReadToken?: boolean, openManage?: string[], unknownSiteAnswer?: number, foreignOriginAllowed?: boolean }} probe what the deployment answered
 * @property {Record<string, { public?: boolean, origins?: string[], sampling?: number[], reports_need_token?: boolean, evidence?: "off" | "counted" | "required" }>} [sites] SITES
 * @property {{ host: string, path: string, require?: unknown, vary?: string[] }[]} [routes] the routes of EDGE
 * @property {import("./tokens.js").Table} [tokens] ACCESS_TOKENS
 * @property {Record<string, string | undefined>} secrets the secrets in the environment of this command
 */

/**
 * @typedef {{ level: "weak" | "note", about: string, remedy: string }} WeakPoint
 */

/**
 * Judges a deployment.
 * @param {Findings} findings
 * @param {number} now
 * @returns {WeakPoint[]}
 */
export function weakPoints(findings, now) {
  return [...ofProbe(findings), ...ofSites(findings), ...ofTokens(findings, now), ...ofSecrets(findings), ...ofRoutes(findings)];
}

/** @param {Findings} findings @returns {WeakPoint[]} */
function ofProbe({ probe }) {
  /** @type {WeakPoint[]} */
  const points = [];
  if (!probe.url.startsWith("https:") && !/^http:\/\/(localhost|127\.)/.test(probe.url)) points.push(weak("tokens travel without encryption", "use the https address of the Worker"));
  if (probe.isPublic) points.push(note(`anybody may read the numbers of ${probe.site}`, "set `public = false` for the site in SITES, unless its badge and dashboard are meant for everybody"));
  for (const path of probe.openManage ?? []) points.push(weak(`${path} answers without a token`, "deploy a Worker whose route table guards it"));
  if (probe.unknownSiteAnswer !== undefined && probe.unknownSiteAnswer !== 401) points.push(weak(`a site that does not exist is told from one that is not public (${probe.unknownSiteAnswer})`, "deploy the current release"));
  if (probe.foreignOriginAllowed) points.push(weak(`pages of any origin may send beacons for ${probe.site}`, "list the origins of its pages in SITES instead of `*`"));
  return points;
}

/** @param {Findings} findings @returns {WeakPoint[]} */
function ofSites({ sites = {} }) {
  return Object.entries(sites).flatMap(([site, { origins = [], sampling = [], public: isPublic, evidence = "off" }]) => [
    ...(origins.includes("*") ? [weak(`${site} takes beacons from pages of any origin`, "list the origins of its pages")] : []),
    ...(isPublic ? [note(`${site} is public`, "set `public = false`, unless everybody is meant to read it")] : []),
    ...(sampling.length && Math.max(...sampling) > 100 ? [note(`one beacon of ${site} may count ${Math.max(...sampling)} times`, "sample less, or not at all")] : []),
    ...(evidence === "required" ? [] : [note(`views of ${site} need no page token: whoever sends beacons from five networks is counted like visitors`, evidence === "off" ? "set `evidence = \"counted\"` and the secret EVIDENCE_SECRET, and `required` once few beacons lack a token" : "set `evidence = \"required\"` once few beacons lack a token")]),
  ]);
}

/** @param {Findings} findings @param {number} now @returns {WeakPoint[]} */
function ofTokens({ tokens = {} }, now) {
  const day = (/** @type {number} */ at) => new Date(at).toISOString().slice(0, 10);
  return Object.entries(tokens).flatMap(([site, entries]) =>
    entries.flatMap(({ name, rights, expires }) => [
      ...(expires <= day(now) ? [note(`the token ${name} of ${site} expired on ${expires}`, `revoke it: edge-vitals tokens revoke --site "${site}" --name ${name}`)] : []),
      ...(expires > day(now + 400 * DAY_MS) ? [weak(`the token ${name} of ${site} is valid until ${expires}`, "create one that lives for 400 days at most")] : []),
      ...(site === "*" && rights.includes("manage") ? [note(`the token ${name} manages every site`, "create a token for each site")] : []),
    ]),
  );
}

/** @param {Findings} findings @returns {WeakPoint[]} */
function ofSecrets({ secrets, tokens, probe }) {
  const given = Object.entries(secrets).filter(([, value]) => value);
  const short = given.filter(([, value]) => (value ?? "").length < MIN_SECRET_LENGTH);
  const same = given.filter(([name, value]) => given.some(([other, its]) => other < name && its === value));
  return [
    ...short.map(([name, value]) => weak(`${name} has ${value?.length} characters and can be guessed`, `use ${MIN_SECRET_LENGTH} random ones: openssl rand -base64 32`)),
    ...same.map(([name]) => weak(`${name} is also another secret`, "give each right a secret of its own")),
    ...(given.length && !Object.keys(tokens ?? {}).length ? [note("the secrets are one token for all sites and never expire", "create scoped tokens: edge-vitals tokens --help")] : []),
    ...(probe.isPublic === false && probe.hasReadToken === false ? [note(`READ_TOKEN is not in the environment, so that the settings of ${probe.site} cannot be checked`, "set it and run the command again")] : []),
  ];
}

/** @param {Findings} findings @returns {WeakPoint[]} */
function ofRoutes({ routes = [] }) {
  const isPrivate = (/** @type {string} */ path) => /^\/(admin|account|internal|intern|manage)\b/i.test(path);
  return routes.flatMap(({ host, path, require, vary = [] }) => [
    ...(isPrivate(path) && !require ? [note(`anybody reaches ${host}${path} through the cache`, "add `require` to the route, unless the origin checks by itself")] : []),
    ...vary.filter((field) => REFLECTED_FIELDS.includes(field.toLowerCase())).map((field) => weak(`responses of ${host}${path} may hold what a visitor sent in ${field}`, "remove the field from `vary`, unless the origin names it in Vary")),
  ]);
}

/** @param {string} about @param {string} remedy @returns {WeakPoint} */
const weak = (about, remedy) => ({ level: "weak", about, remedy });
/** @param {string} about @param {string} remedy @returns {WeakPoint} */
const note = (about, remedy) => ({ level: "note", about, remedy });

const MIN_SECRET_LENGTH = 32;
const DAY_MS = 86_400_000;
/** Fields that origins are known to write into pages. */
const REFLECTED_FIELDS = ["origin", "referer", "user-agent", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "x-original-url"];
