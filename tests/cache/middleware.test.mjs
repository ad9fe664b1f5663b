// Who may ask, what answers wear, and how an origin is spared that fails: the Worker as it is deployed,
// by workerd alone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { did, filled, gives, HOST, site } from "./site.mjs";

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

describe("a route that wants a proof", () => {
  test("sends a reader to log in, and others away", async () => {
    www.own.on("/members/a", gives({ "cache-control": "public, max-age=600" }));
    const read = await www.ask("/members/a?b=c");
    assert.deepEqual([read.status, read.headers.location, read.headers["cache-control"]], [302, "/login?next=/members/a%3Fb%3Dc", "no-store"]);
    assert.equal(read.headers["cache-status"], "edge-vitals; detail=require");
    const write = await www.ask("/members/a", {}, { method: "POST", body: "x" });
    assert.deepEqual([write.status, write.headers["www-authenticate"]], [401, 'Cookie name="session"']);
    assert.equal(www.own.asked("/members/a").length, 0);
  });

  test("asks the origin each time for who brings it, and keeps nothing for others", async () => {
    let asked = 0;
    www.own.on("/members/own", ({ headers }, response) => void response.writeHead(200, { "cache-control": "public, max-age=600" }).end(`${headers.cookie} ${(asked += 1)}`));
    assert.equal((await www.ask("/members/own", { cookie: "session=ann" })).body, "session=ann 1");
    assert.equal((await www.ask("/members/own", { cookie: "session=bob" })).body, "session=bob 2");
    const answer = await www.ask("/members/own", { cookie: "session=ann" });
    assert.match(answer.headers["cache-status"], /fwd=bypass; fwd-status=200; detail=require/);
    assert.equal((await www.ask("/members/own")).status, 302);
    const explained = JSON.parse((await www.manage(`explain?url=http://${HOST}/members/own`)).body);
    assert.deepEqual([explained.does, explained.because], ["pass", ["the route requires a credential, so its responses are not shared (the route)."]]);
  });

  test("compares a secret whole, and lets nobody in where none is set", async () => {
    www.own.on("/keyed/a", gives({}));
    www.own.on("/api/a", gives({}));
    www.own.on("/unset/a", gives({}));
    /** @type {[string, Record<string, string>, number][]} */
    const table = [
      ["/keyed/a", { "x-api-key": "a-key" }, 200], ["/keyed/a", { "x-api-key": "a-ke" }, 401], ["/keyed/a", { "x-api-key": "a-key " + "x" }, 401], ["/keyed/a", { "x-api-key": "" }, 401],
      ["/api/a", { authorization: "Bearer a-token" }, 200], ["/api/a", { authorization: "bearer a-token" }, 200], ["/api/a", { authorization: "Basic a-token" }, 401], ["/api/a", { authorization: "Bearer a-token2" }, 401], ["/api/a", {}, 401],
      ["/unset/a", { authorization: "Bearer " }, 401], ["/unset/a", { authorization: "Bearer undefined" }, 401], ["/unset/a", {}, 401],
    ];
    for (const [path, headers, status] of table) assert.equal((await www.ask(path, headers)).status, status, `${path} ${JSON.stringify(headers)}`);
  });

  test("is guarded however its path is written", async () => {
    for (const path of ["/%6dembers/a", "//members/a", "/MEMBERS/a", "/members;x/a", "/x/..%2fmembers/a", "/members%2fa", "/%256dembers/a", "/x/..;/members/a"]) {
      www.own.on(path, gives({ "cache-control": "public, max-age=600" }, "secret"));
      const answer = await www.ask(path);
      assert.deepEqual([answer.status, answer.body.includes("secret")], [302, false], path);
    }
    assert.equal((await www.ask("/login")).status, 404, "who logs in gets there");
  });
});

describe("security fields", () => {
  const own = { "x-frame-options": "SAMEORIGIN", "referrer-policy": "unsafe-url", "x-powered-by": "x", "cache-control": "max-age=60" };

  test("are set, replaced and taken away as the route says, stored or not", async () => {
    const path = www.page(gives(own), "/dressed/");
    const { first, answer } = await filled(www, path);
    assert.deepEqual([did(first), did(answer)], ["miss", "hit"]);
    for (const { headers } of [first, answer]) {
      assert.deepEqual([headers["x-frame-options"], headers["referrer-policy"], headers["x-powered-by"], headers["permissions-policy"], headers["x-content-type-options"]], ["DENY", undefined, undefined, "camera=()", "nosniff"]);
    }
  });

  test("are left to the origin where the route says so", async () => {
    const { headers } = await www.ask(www.page(gives(own), "/bare/"));
    assert.deepEqual([headers["x-frame-options"], headers["referrer-policy"], headers["x-powered-by"], headers["x-content-type-options"]], ["SAMEORIGIN", "unsafe-url", "x", undefined]);
  });
});

describe("an origin that fails", () => {
  test("is asked less; who has to wait is told for how long; what is stored stands in; checks of health pass; and it heals", async () => {
    let isBroken = false;
    let asked = 0;
    /** @type {import("./site.mjs").Script} */
    const script = (_, response) => {
      asked += 1;
      if (isBroken) response.writeHead(500).end("broken");
      else response.writeHead(200, { "cache-control": "no-store" }).end("well");
    };
    www.own.on("/health", script);
    const stored = www.page(gives({}, "stored"), "/spared/");
    await filled(www, stored);
    const broken = www.page(script, "/spared/");
    isBroken = true;
    // It is asked as fast as it can be until it is spared: within so many requests, not so much time.
    let refused;
    const deadline = Date.now() + 15_000;
    do refused = await www.ask(broken);
    while (refused.status !== 503 && Date.now() < deadline);
    assert.deepEqual([refused.status, did(refused)], [503, "miss"]);
    assert.match(refused.headers["retry-after"], /^[1-9]\d*$/);
    assert.match(refused.headers["cache-status"], /detail=limit$/);
    // Until its rate is the least that there is.
    const rate = async () => JSON.parse((await www.manage(`explain?url=http://${HOST}${broken}`)).body).limit;
    while ((await rate()).rate > 5 && Date.now() < deadline) await www.ask(broken);
    assert.deepEqual([(await rate()).least, (await rate()).most], [0.5, 20]);
    assert.ok((await rate()).rate <= 5, JSON.stringify(await rate()));
    const was = asked;
    for (let index = 0; index < 40; index += 1) await www.ask(broken);
    assert.ok(asked - was <= 20, `asked ${asked - was} times more`);
    const stale = await www.ask(stored);
    assert.deepEqual([stale.status, stale.body, did(stale)], [200, "stored", "stale"]);
    assert.match(stale.headers["cache-status"], /detail=stale-if-error/);
    assert.equal((await www.ask("/health")).status, 500, "not limited");
    isBroken = false;
    const healed = Date.now() + 30_000;
    const lowest = (await rate()).rate;
    while ((await rate()).rate < lowest + 1 && Date.now() < healed) await www.ask(broken);
    assert.ok((await rate()).rate >= lowest + 1, "it rises again");
  });
});
