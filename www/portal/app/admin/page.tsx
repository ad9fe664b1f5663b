//! Health of the site from the windows that the edge pushed, and links to edit the products.

import type { Metadata } from "next";
import Link from "next/link";

import { databaseCheck } from "#portal/health.ts";
import { measured, moment } from "#portal/app/words.ts";
import { onlyEditors } from "#portal/session.ts";
import { database } from "#portal/store/database.ts";
import { listProducts } from "#portal/store/products.ts";
import { lastReceived, latestTransitions, latestWindows, type Transition, type WindowDocument } from "#portal/store/windows.ts";

export const metadata: Metadata = { title: "Health", robots: { index: false } };

const SPANS = { minute: "Minutes", hour: "Hours", day: "Days" } as const;

export default async function Admin({ searchParams }: { searchParams: Promise<{ span?: string | string[] }> }) {
  await onlyEditors("/admin");
  const asked = (await searchParams).span;
  const span = asked === "hour" || asked === "day" ? asked : "minute";
  const [windows, transitions, heard, check, products] = await Promise.all([
    latestWindows(database(), SITE, span, 24),
    latestTransitions(database(), SITE, 20),
    lastReceived(database()),
    databaseCheck(),
    listProducts(database()),
  ]);
  return (
    <>
      <h1>Health</h1>
      <dl className="facts">
        <div>
          <dt>Database</dt>
          <dd className={check.status}>
            {check.status === "pass" ? `responds in ${check.observedValue} ms` : "does not respond"} <small>({database().kind})</small>
          </dd>
        </div>
        <div>
          <dt>Last push of the edge</dt>
          <dd>{heard === null ? "never" : moment(heard)}</dd>
        </div>
      </dl>
      <nav className="tabs" aria-label="Span">
        {Object.entries(SPANS).map(([name, words]) => (
          <Link key={name} href={`/admin?span=${name}`} prefetch={false} aria-current={name === span ? "page" : undefined}>
            {words}
          </Link>
        ))}
      </nav>
      {windows[0] ? <Windows windows={windows} newest={windows[0]} /> : <p className="lead">No such window has arrived yet. The edge sends one when it closes, to the address in its `BACKEND_HEALTH_URL`.</p>}
      <Transitions transitions={transitions} />
      <section aria-labelledby="change">
        <h2 id="change">Change a plant</h2>
        <ul className="links">
          {products.map(({ id, name }) => (
            <li key={id}>
              <Link href={`/admin/product/${id}`} prefetch={false}>
                {name}
              </Link>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function Windows({ windows, newest }: { windows: readonly WindowDocument[]; newest: WindowDocument }) {
  const most = Math.max(...windows.map(({ views }) => views), 1);
  return (
    <>
      <section aria-labelledby="views">
        <h2 id="views">Views</h2>
        <ol className="bars" reversed>
          {windows.map(({ start, views }) => (
            <li key={start} style={{ "--share": views / most } as React.CSSProperties}>
              <span className="unseen">
                {moment(start)}: {views} views
              </span>
            </li>
          ))}
        </ol>
      </section>
      <section aria-labelledby="cells">
        <h2 id="cells">Since {moment(newest.start)}</h2>
        <p className="quiet">
          {newest.views} views
          {newest.requests && `, ${newest.requests.n} requests, ${newest.requests.errors} errors, ${measured(newest.requests.p95, "ms")} at the 95th percentile`}
          {newest.cache && `, ${newest.cache.hits} hits`}
        </p>
        <div className="wide">
          <table>
            <thead>
              <tr>
                <th>Route</th>
                <th>Device</th>
                <th>Vital</th>
                <th className="number">Views</th>
                <th className="number">p75</th>
                <th className="number">Budget</th>
                <th>In this window</th>
              </tr>
            </thead>
            <tbody>
              {newest.cells.map(({ route, device, metric, unit, n, p75, budget, verdict }) => (
                <tr key={`${route} ${device} ${metric}`}>
                  <td>{route}</td>
                  <td>{device}</td>
                  <td>{metric}</td>
                  <td className="number">{n}</td>
                  <td className="number">{measured(p75, unit)}</td>
                  <td className="number">{budget ? `≤ ${measured(budget.max, unit)}` : "–"}</td>
                  <td>
                    <span className={`verdict ${verdict}`}>{verdict}</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}

function Transitions({ transitions }: { transitions: readonly Transition[] }) {
  return (
    <section aria-labelledby="transitions">
      <h2 id="transitions">What changed</h2>
      {transitions.length ? (
        <ul className="changes">
          {transitions.map(({ told_at, route, device, metric, verdict_before, verdict_after }) => (
            <li key={`${told_at} ${route} ${device} ${metric}`}>
              {metric} of {route} on {device}s: {verdict_before ?? "undecided"} → <span className={`verdict ${verdict_after}`}>{verdict_after}</span> <small className="quiet">{moment(told_at)}</small>
            </li>
          ))}
        </ul>
      ) : (
        <p className="quiet">No verdict has changed.</p>
      )}
    </section>
  );
}

const SITE = "portal";
