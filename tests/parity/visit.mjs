//! One visit to one scenario's pages: the moves of a person and of the
//! browser, each one awaited by what the page says came of it, never by time.
//! It returns the page's own record and leaves its judgement to `compare`.

/** @typedef {import('./browser.mjs').Browser} Browser */
/** @typedef {import('./browser.mjs').Tab} Tab */
/** @typedef {import('./site.mjs').Site} Site */
/** @typedef {import('./scenarios.mjs').Scenario} Scenario */

/** Everything that the pages of a visit told, in order. @param {Browser} browser @param {Site} site @param {Scenario} scenario @param {string} [candidate] */
export async function record(browser, site, scenario, candidate) {
  const window = await browser.window();
  try {
    for (const [path, page] of Object.entries({'/other': {observe: false, body: '<p>Another page'}, ...scenario.pages})) {
      site.put(path, {subscriptions: scenario.subscriptions, candidate, ...page});
    }
    const visit = new Visit(window, site, await window.open(scenario.background ?? false));
    await (scenario.act ?? open)(visit);
    await visit.end();
    return await visit.told();
  } finally {
    await window.close();
  }
}

/** @param {Visit} visit */
const open = (visit) => visit.open();

export class Visit {
  /** @param {import('./browser.mjs').Window} window @param {Site} site @param {Tab} tab */
  constructor(window, site, tab) {
    this.window = window;
    this.site = site;
    this.tab = tab;
  }

  /** Loads a page and waits until it is whole and observed. */
  async open(path = '/') {
    await this.go(path);
    await this.marked('observing');
    await this.marked('load');
    await this.settle();
  }

  /** Sets out for a page; waits only for its first script. */
  async go(path = '/') {
    const before = this.tab.told.length;
    await this.tab.goto(new URL(path, this.site.origin).href);
    await this.tab.until((told) => told.slice(before).find(({kind}) => kind === 'start'));
  }

  /** The next such mark that no other wait has had. @param {string} name @param {object} [like] */
  async marked(name, like = {}) {
    const mark = await this.tab.until((told) =>
      told.find((said) => said.kind === 'mark' && said.name === name && !said.awaited && Object.entries(like).every(([key, value]) => said[key] === value)),
    );
    mark.awaited = true;
  }

  async settle() {
    await this.tab.evaluate('recorder.settled()');
  }

  /** Cuts the record in two: what is reported before is compared apart from what is reported after. @param {string} name */
  async step(name) {
    await this.settle();
    await this.tab.evaluate(`recorder.mark('step', {step: ${JSON.stringify(name)}})`);
  }

  async hide() {
    await this.window.coverAll();
    await this.marked('visibilitychange', {state: 'hidden'});
  }

  async show() {
    await this.window.front(this.tab);
    await this.marked('visibilitychange', {state: 'visible'});
  }

  /** A click that the page's handler spends `burn` ms on, and everything that comes of it. @param {string} [selector] @param {number} [burn] */
  async click(selector = 'button', burn = 0) {
    await this.#interact(burn, () => this.tab.click(selector));
  }

  /** @param {string} [selector] @param {number} [burn] */
  async tap(selector = 'button', burn = 0) {
    await this.#interact(burn, () => this.tab.tap(selector));
  }

  /** @param {string} key @param {number} [burn] */
  async press(key, burn = 0) {
    await this.#interact(burn, () => this.tab.press(key));
  }

  /** Goes to another page and comes back to this one, out of the back/forward cache. */
  async leaveAndReturn() {
    await this.tab.goto(`${this.site.origin}/other`);
    await this.tab.until((told) => told.findLast(({kind}) => kind === 'start')?.url.endsWith('/other'));
    await this.tab.until((told) => told.findLast(({name}) => name === 'load')?.page === told.at(-1).page);
    await this.settle();
    await this.tab.back();
    await this.marked('pageshow', {persisted: true});
    await this.settle();
  }

  /** Runs in the page. @param {string | ((...args: any[]) => unknown)} what @param {...unknown} args */
  run(what, ...args) {
    return this.tab.evaluate(what, ...args);
  }

  /** The last that anyone sees of the page. */
  async end() {
    if ((await this.run('document.visibilityState')) === 'hidden') return;
    await this.settle();
    await this.hide();
    await this.settle();
  }

  /** The records of all pages, the page's own memory filling in what could not be told on the way out. */
  async told() {
    const pages = await this.run('recorder.all()');
    return [...new Set(this.tab.told.map(({page}) => page))].flatMap((page) => pages[page] ?? this.tab.told.filter((said) => said.page === page));
  }

  /** @param {number} burn @param {() => Promise<void>} act */
  async #interact(burn, act) {
    await this.run(`recorder.burn = ${burn}`);
    const before = this.tab.told.length;
    await act();
    // A handler as slow as that surely makes an entry: 16 ms is the least the browser tells of.
    if (burn > 16) {
      await this.tab.until((told) =>
        told.slice(before).some(({kind, entries}) => kind === 'entries' && entries.some((/** @type {any} */ entry) => entry.entryType === 'event' && entry.interactionId && entry.processingEnd - entry.processingStart >= burn)),
      );
    }
    await this.settle();
  }
}
