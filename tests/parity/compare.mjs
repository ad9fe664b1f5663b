//! Holds what the candidate reported against what web-vitals reported on the
//! same page loads: every field of every report, exactly; how ids change; the
//! order of the reports, and after which event each one came.

/** @typedef {{at: string, field: string, reference: unknown, candidate: unknown}} Difference */

/** Every difference, in words for a person to act on. @param {any[]} told @param {string} library whose reports are held against web-vitals' @returns {string[]} */
export function differences(told, library = 'candidate') {
  const [reference, candidate] = ['reference', library].map((library) => reports(told, library));
  const found = [];

  const subscriptions = new Set([...reference, ...candidate].map(({subscription}) => subscription));
  for (const subscription of [...subscriptions].sort()) {
    const [theirs, ours] = [reference, candidate].map((all) => all.filter((report) => report.subscription === subscription));
    const count = Math.max(theirs.length, ours.length);
    for (let index = 0; index < count; index++) {
      const [expected, actual] = [theirs[index], ours[index]];
      if (!expected || !actual) {
        found.push(`${expected ? 'missing' : 'extra'} report ${index} of ${say(expected ?? actual)}`);
        continue;
      }
      for (const [field, value] of Object.entries(expected.fields)) {
        const is = actual.fields[field];
        if (!same(value, is)) found.push(`${expected.fields.name} report ${index} (subscription ${subscription}), ${field}: web-vitals ${show(value)}, candidate ${show(is)}`);
      }
    }
  }

  // Two libraries' idle callbacks and observers may have other tasks between them; within one event the order is theirs.
  const [theirs, ours] = [reference, candidate].map((all) => all.filter(({during}) => during).map(({subscription, fields}) => `${subscription}:${fields.name} after ${fields.moment}`));
  if (found.length === 0 && !same(theirs, ours)) found.push(`order: web-vitals ${show(theirs)}, candidate ${show(ours)}`);

  const ids = [...new Set(candidate.map(({subscription, id}) => `${subscription} ${id}`))].map((id) => id.split(' ')[1]);
  if (new Set(ids).size < ids.length) found.push('an id is not unique: two subscriptions share one');
  return found;
}

/** What the reference library reported, for a scenario to prove that it shows what it claims. @param {any[]} told */
export function reported(told) {
  return told.filter(({kind, library}) => kind === 'report' && library === 'reference').map(({metric, entries}) => ({...metric, entries}));
}

/** @param {any[]} told @param {string} library */
function reports(told, library) {
  let moment = 'the start';
  /** @type {Map<number, string[]>} */
  const ids = new Map();
  const reports = [];
  for (const [index, said] of told.entries()) {
    if (said.kind === 'start') moment = `the start of page ${index && 'again'}`;
    // Only what sets reports going counts as a moment; it is named by its place in the record.
    if (said.kind === 'mark' && MOMENTS.has(said.name)) moment = `${said.step ?? said.state ?? said.name} (${said.n})`;
    if (said.kind !== 'report' || said.library !== library) continue;
    const {id, navigationId, navigationInteractionId, navigationURL, navigationStartTime, ...fields} = said.metric;
    const known = ids.get(said.subscription) ?? [];
    ids.set(said.subscription, known);
    if (!known.includes(id)) known.push(id);
    reports.push({
      subscription: said.subscription,
      during: said.during,
      id,
      fields: {
        ...fields,
        // The last web-vitals that had FID knew nothing of soft navigations.
        ...(fields.name !== 'FID' && {navigationId, navigationInteractionId, navigationURL, navigationStartTime}),
        // An id itself is random; that it is one, and when it changes, is not.
        id: typeof id === 'string' && id.length >= 10 ? known.indexOf(id) : `not an id: ${id}`,
        entries: said.entries,
        moment,
      },
    });
  }
  return reports;
}

const MOMENTS = new Set(['step', 'load', 'visibilitychange', 'pageshow', 'pagehide', 'prerenderingchange', 'observing']);

/** @param {any} report */
const say = ({subscription, fields}) => `${fields.name} (subscription ${subscription}): value ${fields.value} after ${fields.moment}`;

/** @param {unknown} value */
const show = (value) => JSON.stringify(value) ?? 'nothing';

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => show(a) === show(b);
