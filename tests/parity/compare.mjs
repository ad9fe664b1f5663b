//! Compares the reports of the candidate with those of web-vitals on the same page loads: every field of
//! every report exactly, the changes of ids, the order of the reports, and the event before each.

/** @typedef {{at: string, field: string, reference: unknown, candidate: unknown}} Difference */

/** Describes every difference. @param {any[]} records @param {string} library the library to compare with web-vitals @returns {string[]} */
export function differences(records, library = 'candidate') {
  const [reference, candidate] = ['reference', library].map((library) => reports(records, library));
  const found = [];
  // web-vitals counted a click for the view to which it led, and so reported it later.
  let hasEarlierClick = false;

  const subscriptions = new Set([...reference, ...candidate].map(({subscription}) => subscription));
  for (const subscription of [...subscriptions].sort()) {
    const [theirs, ours] = [reference, candidate].map((all) => all.filter((report) => report.subscription === subscription));
    const count = Math.max(theirs.length, ours.length);
    for (let index = 0; index < count; index++) {
      const [expected, actual] = [theirs[index], ours[index]];
      if (!expected || !actual) {
        found.push(`${expected ? 'missing' : 'extra'} report ${index} of ${summary(expected ?? actual)}`);
        continue;
      }
      if (isEarlier(expected.fields) && same(expected.fields.value, actual.fields.value) && same(expected.fields.entries, actual.fields.entries)) {
        hasEarlierClick = true;
        continue;
      }
      for (const [field, value] of Object.entries(expected.fields)) {
        const is = actual.fields[field];
        if (!same(value, is)) found.push(`${expected.fields.name} report ${index} (subscription ${subscription}), ${field}: web-vitals ${show(value)}, candidate ${show(is)}`);
      }
    }
  }

  // Other tasks may run between the idle callbacks of two libraries, so only the order within one event is compared.
  const [theirs, ours] = [reference, candidate].map((all) => all.filter(({during}) => during).map(({subscription, fields}) => `${subscription}:${fields.name} after ${fields.moment}`));
  if (found.length === 0 && !hasEarlierClick && !same(theirs, ours)) found.push(`order: web-vitals ${show(theirs)}, candidate ${show(ours)}`);

  const ids = [...new Set(candidate.map(({subscription, id}) => `${subscription} ${id}`))].map((id) => id.split(' ')[1]);
  if (new Set(ids).size < ids.length) found.push('an id is not unique: two subscriptions share one');
  return found;
}

/** The reports of web-vitals, on which a scenario checks its claim. @param {any[]} records */
export function reported(records) {
  return records.filter(({kind, library}) => kind === 'report' && library === 'reference').map(({metric, entries}) => ({...metric, entries}));
}

/**
 * The views of web-vitals' reports by their starts, as beacons carry them. FID is left out: the last version with
 * it did not support soft navigations.
 * @param {ReturnType<typeof reported>} reports @returns {Record<string, unknown>[]}
 */
export function viewsOf(reports) {
  const byStart = Map.groupBy(reports.filter(({name}) => name !== 'FID'), ({navigationStartTime}) => navigationStartTime);
  const views = [...byStart].sort(([one], [other]) => one - other).map(([, view]) => view);
  return views.map((view, index) => {
    const own = view.filter((report) => !isEarlier(report));
    const later = (views[index + 1] ?? []).filter(isEarlier);
    return {nav: view[0].navigationType, ...Object.fromEntries([...own, ...later].map((report) => [report.name, toWire(report)]))};
  });
}

/**
 * web-vitals sorts entries by their ends, and so counts a click for the view to which it led if its duration, which is
 * rounded to 8 ms, seems to end after the first paint.
 * @param {any} report
 */
const isEarlier = ({name, navigationStartTime, entries}) =>
  name === 'INP' && navigationStartTime > 0 && entries.length > 0 && entries.every((/** @type {any} */ {startTime}) => startTime <= navigationStartTime);

/** A value as a beacon carries it. @param {{name: string, value: number}} report */
export const toWire = ({name, value}) => Math.max(0, Math.ceil(value * (name === 'CLS' ? 10_000 : 1) - 1e-6));

/** The values of the last beacon of each view. @param {any[]} records @returns {Record<string, {nav: string}>} */
export function sentBeacons(records) {
  /** @type {Record<string, {nav: string}>} */
  const views = {};
  for (const {name, page, beacon} of records) if (name === 'beacon') views[`${page} ${beacon.view}`] = {nav: beacon.nav, ...beacon.m};
  return views;
}

/** The last values of each view in the reports of web-vitals, in wire units. @param {any[]} records */
export function expectedBeacons(records) {
  /** @type {Record<string, Record<string, unknown>>} */
  const views = {};
  /** @type {Record<string, number>} */
  const restores = {};
  for (const {kind, library, name, page, persisted, metric} of records) {
    // A script that starts after a restore cannot know of it.
    if (name === 'observing') restores[page] = 0;
    if (name === 'pageshow' && persisted) restores[page] = (restores[page] ?? 0) + 1;
    if (kind !== 'report' || library !== 'reference') continue;
    const view = (views[`${page} ${restores[page] ?? 0}`] ??= {nav: metric.navigationType});
    view[metric.name] = toWire(metric);
  }
  return views;
}

/**
 * Returns the beacons of a visit and those that the reports of web-vitals lead to expect. A value that web-vitals may
 * miss must reach the scenario's least, and then counts as expected.
 * @param {import('./scenarios.mjs').Scenario} scenario @param {any[]} records
 */
export function comparedBeacons({atLeast = {}}, records) {
  const sent = /** @type {Record<string, Record<string, unknown>>} */ (sentBeacons(records));
  const expected = expectedBeacons(records);
  for (const [metric, least] of Object.entries(atLeast)) {
    for (const [view, values] of Object.entries(sent)) {
      if (Number(values[metric]) >= least && expected[view]) expected[view][metric] = values[metric];
    }
  }
  return {sent, expected};
}

/** @param {any[]} records @param {string} library */
function reports(records, library) {
  let moment = 'the start';
  /** @type {Map<number, string[]>} */
  const ids = new Map();
  const reports = [];
  for (const [index, row] of records.entries()) {
    if (row.kind === 'start') moment = `the start of page ${index && 'again'}`;
    // Only events that may cause reports count; each is named by its position in the record.
    if (row.kind === 'mark' && MOMENTS.has(row.name)) moment = `${row.step ?? row.state ?? row.name} (${row.n})`;
    if (row.kind !== 'report' || row.library !== library) continue;
    const {id, navigationId, navigationInteractionId, navigationURL, navigationStartTime, ...fields} = row.metric;
    const known = ids.get(row.subscription) ?? [];
    ids.set(row.subscription, known);
    if (!known.includes(id)) known.push(id);
    reports.push({
      subscription: row.subscription,
      during: row.during,
      id,
      fields: {
        ...fields,
        // The last version of web-vitals with FID did not support soft navigations.
        ...(fields.name !== 'FID' && {navigationId, navigationInteractionId, navigationURL, navigationStartTime}),
        // Ids are random; compared are only their form and when they change.
        id: typeof id === 'string' && id.length >= 10 ? known.indexOf(id) : `not an id: ${id}`,
        entries: row.entries,
        moment,
      },
    });
  }
  return reports;
}

const MOMENTS = new Set(['step', 'load', 'visibilitychange', 'pageshow', 'pagehide', 'prerenderingchange', 'observing']);

/** @param {any} report */
const summary = ({subscription, fields}) => `${fields.name} (subscription ${subscription}): value ${fields.value} after ${fields.moment}`;

/** @param {unknown} value */
const show = (value) => JSON.stringify(value) ?? 'nothing';

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => show(a) === show(b);
