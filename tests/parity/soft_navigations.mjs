//! Visits to an application that navigates without loads, and declares its views to a client that has `view`.
//! web-vitals knows nothing of declarations, so each visit tells with `alone` how many of them the browser does
//! not report, and with `without` the metrics of the page load that the client does not count.

/** @typedef {import('./visit.mjs').Visit} Visit */
/** @typedef {import('./scenarios.mjs').Scenario & {alone?: number | ((reports: Reports) => number), without?: string[]}} Scenario */
/** @typedef {ReturnType<typeof import('./compare.mjs').reported>} Reports */

const SUBSCRIPTIONS = ['onFCP', 'onLCP', 'onCLS', 'onINP', 'onTTFB', 'onFID'].map((on) => ({on, options: {reportSoftNavs: true}}));

/**
 * An application with a router. A click on a button navigates as its `data-go` says: to an address (`to`), after a
 * time (`wait`, `paint`), in the place of the current history entry (`replace`), by way of another address (`via`).
 * The view is declared with the change of the address, or as `declare` says.
 */
const ROUTER = `<div id="spacer"></div><div style="height: 60px; background: #cde">Content that moves</div><main><h1>The first view</h1></main>
<script>
  const main = document.querySelector('main');
  const after = (ms, work) => (ms ? setTimeout(work, ms) : work());
  const name = () => location.pathname + location.search;
  let renders = 0;
  const render = () => {  main.innerHTML = name() === '/picture' ? '<h1>A picture</h1><img src="/picture/400x300.bmp?gate=soft" width="400" height="300" alt="">' : '<h1>View ' + name() + '</h1><p>' + 'Words and more words. '.repeat(20 + ++renders) };
  let declared = name();
  const declare = () => name() === declared || globalThis.view?.((declared = name()));
  const DECLARE = {
    never() {},
    commit: declare,
    effect: () => requestAnimationFrame(() => setTimeout(declare)),
    late: () => new PerformanceObserver((list, observer) => { observer.disconnect(); setTimeout(declare) }).observe({type: 'soft-navigation'}),
  };
  navigate = ({to, via, wait, paint, replace, declare = 'commit'}) => after(wait, () => {
    if (via) history.pushState({}, '', via);
    history[replace || via ? 'replaceState' : 'pushState']({}, '', to);
    if (paint !== null) after(paint, render);
    DECLARE[declare]();
  });
  addEventListener('click', ({target}) => target.dataset.go && navigate(JSON.parse(target.dataset.go)));
  addEventListener('popstate', () => { render(); declare() });
  shift = (px) => { spacer.style.height = spacer.offsetHeight + px + 'px'; return recorder.settled() };
  pass = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
</script>`;

/** @param {...object} links */
const application = (...links) => ({body: `${links.map((link, index) => `<button id="go${index}" data-go='${JSON.stringify(link)}'>Go</button>`).join(' ')} <button id="still">Stay</button>${ROUTER}`});

/** @param {Visit} visit @param {string} type @param {number} [count] */
const entered = (visit, type, count = 1) =>
  visit.tab.until((records) => records.filter(({kind}) => kind === 'entries').flatMap(({entries}) => entries).filter((/** @type {any} */ {entryType}) => entryType === type).length >= count);

/** Clicks the links one after another; each leads to a soft navigation. @param {Visit} visit @param {...string} links */
async function follow(visit, ...links) {
  for (const [index, link] of links.entries()) {
    await visit.click(link);
    await entered(visit, 'soft-navigation', index + 1);
    await visit.step(`view ${index + 1}`);
  }
}

/** The number of soft navigations that web-vitals reported. @param {Reports} reports */
const views = (reports) => reports.filter(({name, navigationType}) => name === 'FCP' && navigationType === 'soft-navigation').length;

/** A visit with one kind of navigation. @param {string} name @param {object} link @param {Partial<Scenario>} [more] @returns {Scenario} */
const one = (name, link, more) => ({
  name,
  native: false,
  subscriptions: SUBSCRIPTIONS,
  pages: {'/': application({to: '/a', ...link})},
  act: async (visit) => {
    await visit.open();
    await follow(visit, '#go0');
  },
  shows: (reports) => views(reports) === 1,
  ...more,
});

/** @type {Scenario[]} */
export const softNavigations = [
  one('a view declared with the change of the address', {}),
  one('a view declared in an effect after the paint', {declare: 'effect'}),
  one('a view declared after the browser has reported it', {declare: 'late'}),
  one('a view that nobody declares', {declare: 'never'}),
  one('a view whose data comes late', {wait: 700}),
  one('a view that is painted long after its declaration', {paint: 1300}),
  one('a navigation in the place of the current entry', {replace: true}),
  one('a change of the query that the router does not tell', {to: '/?tab=2', declare: 'never'}),
  one('a change of the fragment', {to: '/#part', declare: 'never'}),
  one('a redirect before anything is painted', {via: '/redirected'}),
  one('a navigation without a paint', {paint: null}, {
    alone: 1,
    act: async (visit) => {
      await visit.open();
      await visit.click('#go0');
    },
    shows: (reports) => views(reports) === 0,
  }),
  one('a navigation without an interaction', {}, {
    alone: 1,
    act: async (visit) => {
      await visit.open();
      await visit.run('navigate({to: "/timer", paint: null})');
      await visit.step('the second view');
    },
    shows: (reports) => views(reports) === 0,
  }),
  one('a key that follows a link', {}, {
    act: async (visit) => {
      await visit.open();
      await visit.run('document.querySelector("#go0").focus()');
      for (const [type, text] of [['keyDown', '\r'], ['keyUp']]) await visit.tab.send('Input.dispatchKeyEvent', {type, text, key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13});
      await entered(visit, 'soft-navigation');
    },
  }),
  one('a double click on a link', {wait: 100}, {
    act: async (visit) => {
      await visit.open();
      for (const _ of [1, 2]) await visit.tab.click('#go0');
      await visit.run('pass(150)');
      await visit.step('the second view');
    },
    // The second click may replace the paint of the first before it is seen.
    alone: (reports) => 1 - views(reports),
    shows: (reports) => views(reports) < 2,
  }),
  one('a navigation while the last one still paints', {}, {
    // The first click's entry comes after two declarations, when the load's view has ended.
    without: ['INP'],
    pages: {'/': application({to: '/a'}, {to: '/b'})},
    act: async (visit) => {
      await visit.open();
      await visit.tab.click('#go0');
      await visit.tab.click('#go1');
      await entered(visit, 'soft-navigation');
      await visit.step('the last view');
    },
    // The first one may never have been painted.
    alone: (reports) => 2 - views(reports),
    shows: (reports) => views(reports) > 0,
  }),
  one('two links clicked before either has led anywhere', {}, {
    pages: {'/': application({to: '/a', wait: 60}, {to: '/b', wait: 60})},
    act: async (visit) => {
      await visit.open();
      await visit.tab.click('#go0');
      await visit.tab.click('#go1');
      await entered(visit, 'soft-navigation');
      await visit.step('the last view');
    },
    // The first one may never have been painted.
    alone: (reports) => 2 - views(reports),
    shows: (reports) => views(reports) > 0,
  }),
  one('the buttons back and forward', {}, {
    pages: {'/': application({to: '/a'}, {to: '/b'})},
    act: async (visit) => {
      await visit.open();
      await follow(visit, '#go0', '#go1');
      for (const [index, direction] of /** @type {const} */ (['back', 'back', 'forward']).entries()) {
        await visit.tab[direction]();
        await entered(visit, 'soft-navigation', index + 3);
        await visit.step(direction);
      }
    },
    shows: (reports) => views(reports) === 5,
  }),
  one('views with shifts and interactions of their own', {}, {
    pages: {'/': application({to: '/a'}, {to: '/b', wait: 50, declare: 'effect'})},
    act: async (visit) => {
      await visit.open();
      await visit.run('shift(40)');
      await visit.click('#still', 120);
      await visit.click('#go0', 90);
      await entered(visit, 'soft-navigation');
      await visit.run('pass(600)');
      await visit.run('shift(25)');
      await visit.click('#still', 60);
      await visit.click('#go1');
      await entered(visit, 'soft-navigation', 2);
      await visit.run('pass(600)');
      await visit.run('shift(10)');
      await visit.press('a', 30);
    },
    shows: (reports) => views(reports) === 2,
  }),
  one('interactions too fast for an entry', {}, {
    act: async (visit) => {
      await visit.open();
      await follow(visit, '#go0');
      await visit.press('a');
      await visit.press('b');
    },
  }),
  one('a picture painted late', {}, {
    pages: {'/': application({to: '/picture'})},
    act: async (visit) => {
      await visit.open();
      await follow(visit, '#go0');
      visit.site.gate('soft').open();
      await entered(visit, 'interaction-contentful-paint', 2);
    },
  }),
  one('a restore after declared soft navigations, and another one after it', {}, {
    pages: {'/': application({to: '/a'}, {to: '/b'})},
    act: async (visit) => {
      await visit.open();
      await follow(visit, '#go0');
      await visit.leaveAndReturn();
      await visit.step('restored');
      await visit.click('#go1', 40);
      await entered(visit, 'soft-navigation', 2);
    },
    shows: (reports) => views(reports) === 2 && reports.some(({navigationType}) => navigationType === 'back-forward-cache'),
  }),
  one('a page hidden after a declaration and before its paint', {paint: 400}, {
    act: async (visit) => {
      await visit.open();
      await visit.click('#go0');
      await visit.hide();
      await visit.show();
      await entered(visit, 'soft-navigation');
    },
  }),
  one('a navigation before the load', {}, {
    pages: {'/': {...application({to: '/a'}), head: '<link rel="stylesheet" href="/empty.css?gate=load" media="print">'}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('observing');
      await visit.painted();
      await follow(visit, '#go0');
      visit.site.gate('load').open();
      await visit.marked('load');
    },
  }),
  one('a client that starts after two soft navigations', {}, {
    pages: {'/': {...application({to: '/a'}, {to: '/b'}), observe: false}},
    act: async (visit) => {
      await visit.go();
      await visit.marked('load');
      await visit.settle();
      await follow(visit, '#go0', '#go1');
      await visit.run('import("/observe.js")');
    },
    shows: (reports) => views(reports) === 2,
  }),
];
