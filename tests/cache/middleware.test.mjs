// Access rules, security headers and the origin limiter of the deployed Worker, in workerd alone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { cacheStatus, fill, HOST, respond, site } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
before(async () => {
  www = await site(
    (url) => ({
      routes: [
        { host: HOST, path: "/login", origin: url },
        { host: HOST, path: "/members/**", origin: url, ttl: "long", cookies: { ignore: ["*"] }, require: { cookie: "session", login: "/login?next={path}" } },
        { host: HOST, path: "/keyed/**", origin: url, ttl: "long", require: { header: "x-api-key", secret: "API_KEY" } },
        { host: HOST, path: "/api/**", origin: url, ttl: "long", require: { bearer: "API_TOKEN" } },
        { host: HOST, path: "/unset/**", origin: url, require: { bearer: "NOWHERE_SET" } },
        { host: HOST, path: "/dressed/**", origin: url, security_headers: { "x-frame-options": "DENY", "referrer-policy": null, "x-powered-by": null, "permissions-policy": "camera=()" } },
        { host: HOST, path: "/bare/**", origin: url, security_headers: false },
        { host: HOST, path: "/health", origin: url, bypass: true },
        { host: HOST, path: "/spared/**", origin: url, ttl: 1, stale_if_error: 600, limit: { most: 20, least: 0.5 } },
        { host: HOST, path: "/**", origin: url },
      ],
    }),
    { raw: "middleware", vars: { API_KEY: "a-key", API_TOKEN: "a-token" } },
  );
});
after(() => www.close());

describe("a route with an access rule", () => {
  test("redirects a read to the login page, and rejects other requests", async () => {
    www.own.on("/members/a", respond({ "cache-control": "public, max-age=600" }));
    const readRequest = await www.ask("/members/a?b=c");
    assert.deepEqual([readRequest.status, readRequest.headers.location, readRequest.headers["cache-control"]], [302, "/login?next=/members/a%3Fb%3Dc", "no-store"]);
    assert.equal(readRequest.headers["cache-status"], "edge-vitals; detail=require");
    const writeRequest = await www.ask("/members/a", {}, { method: "POST", body: "x" });
    assert.deepEqual([writeRequest.status, writeRequest.headers["www-authenticate"]], [401, 'Cookie name="session"']);
    assert.equal(www.own.requests("/members/a").length, 0);
  });

  test("fetches each authorized response from the origin, and stores none", async () => {
    let fetches = 0;
    www.own.on("/members/own", ({ headers }, response) => void response.writeHead(200, { "cache-control": "public, max-age=600" }).end(`${headers.cookie} ${(fetches += 1)}`));
    assert.equal((await www.ask("/members/own", { cookie: "session=ann" })).body, "session=ann 1");
    assert.equal((await www.ask("/members/own", { cookie: "session=bob" })).body, "session=bob 2");
    const answer = await www.ask("/members/own", { cookie: "session=ann" });
    assert.match(answer.headers["cache-status"], /fwd=bypass; fwd-status=200; detail=require/);
    assert.equal((await www.ask("/members/own")).status, 302);
    const explained = JSON.parse((await www.manage(`explain?url=http://${HOST}/members/own`)).body);
    assert.deepEqual([explained.does, explained.because], ["pass", ["the route requires a credential, so its responses are not shared (the route)."]]);
  });

  test("compares the whole secret, and rejects every request if none is set", async () => {
    www.own.on("/keyed/a", respond({}));
    www.own.on("/api/a", respond({}));
    www.own.on("/unset/a", respond({}));
    /** @type {[string, Record<string, string>, number][]} */
    const table = [
      ["/keyed/a", { "x-api-key": "a-key" }, 200], ["/keyed/a", { "x-api-key": "a-ke" }, 401], ["/keyed/a", { "x-api-key": "a-key " + "x" }, 401], ["/keyed/a", { "x-api-key": "" }, 401],
      ["/api/a", { authorization: "Bearer a-token" }, 200], ["/api/a", { authorization: "bearer a-token" }, 200], ["/api/a", { authorization: "Basic a-token" }, 401], ["/api/a", { authorization: "Bearer a-token2" }, 401], ["/api/a", {}, 401],
      ["/unset/a", { authorization: "Bearer " }, 401], ["/unset/a", { authorization: "Bearer undefined" }, 401], ["/unset/a", {}, 401],
    ];
    for (const [path, headers, status] of table) assert.equal((await www.ask(path, headers)).status, status, `${path} ${JSON.stringify(headers)}`);
  });

  test("guards every spelling of its path", async () => {
    for (const path of ["/%6dembers/a", "//members/a", "/MEMBERS/a", "/members;x/a", "/x/..%2fmembers/a", "/members%2fa", "/%256dembers/a", "/x/..;/members/a"]) {
      www.own.on(path, respond({ "cache-control": "public, max-age=600" }, "secret"));
      const answer = await www.ask(path);
      assert.deepEqual([answer.status, answer.body.includes("secret")], [302, false], path);
    }
    assert.equal((await www.ask("/login")).status, 404, "the login page is reachable");
  });
});

describe("security headers", () => {
  const own = { "x-frame-options": "SAMEORIGIN", "referrer-policy": "unsafe-url", "x-powered-by": "x", "cache-control": "max-age=60" };

  test("are set, replaced and removed as configured, on a miss and a hit", async () => {
    const path = www.page(respond(own), "/dressed/");
    const { first, answer } = await fill(www, path);
    assert.deepEqual([cacheStatus(first), cacheStatus(answer)], ["miss", "hit"]);
    for (const { headers } of [first, answer]) {
      assert.deepEqual([headers["x-frame-options"], headers["referrer-policy"], headers["x-powered-by"], headers["permissions-policy"], headers["x-content-type-options"]], ["DENY", undefined, undefined, "camera=()", "nosniff"]);
    }
  });

  test("are left to the origin if the route disables them", async () => {
    const { headers } = await www.ask(www.page(respond(own), "/bare/"));
    assert.deepEqual([headers["x-frame-options"], headers["referrer-policy"], headers["x-powered-by"], headers["x-content-type-options"]], ["SAMEORIGIN", "unsafe-url", "x", undefined]);
  });
});

describe("a failing origin", () => {
  test("gets fewer requests, rejections carry Retry-After, stale responses are served, health checks pass, and the rate recovers", async () => {
    let isBroken = false;
    let fetches = 0;
    /** @type {import("./site.mjs").Script} */
    const script = (_, response) => {
      fetches += 1;
      if (isBroken) response.writeHead(500).end("broken");
      else response.writeHead(200, { "cache-control": "no-store" }).end("well");
    };
    www.own.on("/health", script);
    const stored = www.page(respond({}, "stored"), "/spared/");
    await fill(www, stored);
    const broken = www.page(script, "/spared/");
    isBroken = true;
    // Requests continue until the limiter rejects one: the condition is a number of requests, not a
    // time.
    let refused;
    const deadline = Date.now() + 15_000;
    do refused = await www.ask(broken);
    while (refused.status !== 503 && Date.now() < deadline);
    assert.deepEqual([refused.status, cacheStatus(refused)], [503, "miss"]);
    assert.match(refused.headers["retry-after"], /^[1-9]\d*$/);
    assert.match(refused.headers["cache-status"], /detail=limit$/);
    // Until the rate is near its minimum.
    const rate = async () => JSON.parse((await www.manage(`explain?url=http://${HOST}${broken}`)).body).limit;
    while ((await rate()).rate > 5 && Date.now() < deadline) await www.ask(broken);
    assert.deepEqual([(await rate()).least, (await rate()).most], [0.5, 20]);
    assert.ok((await rate()).rate <= 5, JSON.stringify(await rate()));
    const before = fetches;
    for (let index = 0; index < 40; index += 1) await www.ask(broken);
    assert.ok(fetches - before <= 20, `${fetches - before} more requests reached the origin`);
    const stale = await www.ask(stored);
    assert.deepEqual([stale.status, stale.body, cacheStatus(stale)], [200, "stored", "stale"]);
    assert.match(stale.headers["cache-status"], /detail=stale-if-error/);
    assert.equal((await www.ask("/health")).status, 500, "not limited");
    isBroken = false;
    const healed = Date.now() + 30_000;
    const lowest = (await rate()).rate;
    while ((await rate()).rate < lowest + 1 && Date.now() < healed) await www.ask(broken);
    assert.ok((await rate()).rate >= lowest + 1, "the rate recovers");
  });
});
