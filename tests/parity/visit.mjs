//! One visit to one scenario's pages: the moves of a person and of the
//! browser, each one awaited by what the page says came of it, never by time.
//! It returns the page's own record and leaves its judgement to `compare`.

import {Missing} from './browser.mjs';
import {differences, reported} from './compare.mjs';
import {Site} from './site.mjs';

/** @typedef {import('./browser.mjs').Browser} Browser */
/** @typedef {import('./browser.mjs').Tab} Tab */
/** @typedef {import('./scenarios.mjs').Scenario} Scenario */

/**
 * What the libraries reported differently on a visit that shows what its scenario claims.
 * A machine too busy for a scenario's pace (a server that was to answer after 900 ms answers after 2000)
 * spoils the stage, not the candidate: that visit proves nothing and is made anew, at most twice.
 * A difference ends it at the first sight, whatever the stage.
 * @param {Browser} browser @param {Scenario} scenario @param {{module?: string, candidate?: string, control?: string}} under the candidate's module as a file, or its path on the site; and a copy of web-vitals in which there must be no difference
 */
export async function compared(browser, scenario, {module = '', candidate, control}) {
  const spoiled = [];
  while (spoiled.length < 3) {
    const site = await Site.open(module);
    try {
      const told = await record(browser, site, scenario, candidate, control);
      const wrong = control ? differences(told, 'control') : [];
      if (wrong.length > 0) throw new Error(`the harness sees differences between web-vitals and itself:\n${wrong.join('\n')}`);
      const found = differences(told);
      const reports = reported(told);
      if (found.length > 0 || scenario.shows(reports, told)) return found;
      spoiled.push(reports.map(line).join('\n'));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      spoiled.push(error.message);
    } finally {
      site.close();
    }
  }
  throw new Error(`no visit showed what the scenario claims:\n${spoiled.join('\n\n')}`);
}

/** Everything that the pages of a visit told, in order. @param {Browser} browser @param {Site} site @param {Scenario} scenario @param {string} [candidate] @param {string} [control] */
export async function record(browser, site, scenario, candidate, control) {
  const window = await browser.window();
  try {
    for (const [path, page] of Object.entries({'/other': {observe: false, body: '<p>Another page'}, ...scenario.pages})) {
      site.put(path, {subscriptions: scenario.subscriptions, candidate, control, ...page});
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

  /** Loads a page and waits until it is whole, observed and, where anybody could see it, painted. */
  async open(path = '/') {
    await this.go(path);
    await this.marked('observing');
    await this.marked('load');
    // Whoever acts before the paint meets another page than the scenario means.
    if (await this.run('document.visibilityState === "visible" && !!document.querySelector("h1, h2, p, img, button, input")')) await this.painted();
    await this.settle();
  }

  /** Waits until the page that is there now has had its first contentful paint. */
  async painted() {
    await this.tab.until((told) => {
      const start = told.findLastIndex(({kind}) => kind === 'start');
      return start >= 0 && told.slice(start).some(({kind, entries}) => kind === 'entries' && entries.some((/** @type {any} */ {name}) => name === 'first-contentful-paint'));
    });
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
    // Both libraries report what they know in an idle moment; the one that had none yet would do so when leaving.
    await this.settle();
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
        told.slice(before).some(({kind, entries}) => kind === 'entries' && entries.some((/** @type {any} */ entry) => entry.entryType === 'event' && entry.interactionId && entry.processingEnd - entry.processingStart > burn - COARSE)),
      );
    }
    await this.settle();
  }
}

/** @param {ReturnType<typeof reported>[number]} report */
const line = ({name, value, delta, rating, navigationType, navigationURL, entries}) => [name, value, delta, rating, navigationType, navigationURL, entries.map((/** @type {any} */ {entryType, name, startTime, duration}) => `${entryType} ${name} ${startTime}+${duration}`).join(', ')].join(' · ');

/** The browser rounds its times to 0.1 ms, each by itself: a handler of 300 ms may be told as one of 299.9. */
const COARSE = 1;
