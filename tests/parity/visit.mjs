//! One visit to the pages of a scenario: the actions of a person and of the browser, each awaited by its
//! effect on the page, never by time. Comparing the records is left to `compare.mjs`.

import {Missing} from './browser.mjs';
import {differences, reported} from './compare.mjs';
import {Site} from './site.mjs';

/** @typedef {import('./browser.mjs').Browser} Browser */
/** @typedef {import('./browser.mjs').Tab} Tab */
/** @typedef {import('./scenarios.mjs').Scenario} Scenario */

/**
 * Returns the differences between the libraries on a visit that goes as its scenario claims. A machine too
 * slow for the scenario (a server that should respond after 900 ms responds after 2000) is no fault of the
 * candidate: such a visit is repeated, at most twice. A difference is returned at once in any case.
 * @param {Browser} browser @param {Scenario} scenario @param {{module?: string, candidate?: string, control?: string, policy?: string}} under the candidate's module as a file, or its path on the site; a copy of web-vitals in which there must be no difference; and the content security policy
 */
export async function compareVisit(browser, scenario, {module = '', candidate, control, policy}) {
  const failed = [];
  while (failed.length < 3) {
    const site = await Site.open(module, policy);
    try {
      const records = await record(browser, site, scenario, candidate, control);
      const wrong = control ? differences(records, 'control') : [];
      if (wrong.length > 0) throw new Error(`the harness sees differences between web-vitals and itself:\n${wrong.join('\n')}`);
      const found = differences(records);
      const reports = reported(records);
      if (found.length > 0 || scenario.shows(reports, records)) return found;
      failed.push(reports.map(line).join('\n'));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      failed.push(error.message);
    } finally {
      site.close();
    }
  }
  throw new Error(`no visit went as the scenario claims:\n${failed.join('\n\n')}`);
}

/** Returns the records of all pages of a visit, in order. @param {Browser} browser @param {Site} site @param {Scenario} scenario @param {string} [candidate] @param {string} [control] */
export async function record(browser, site, scenario, candidate, control) {
  const window = await browser.window();
  try {
    for (const [path, page] of Object.entries({'/other': {observe: false, body: '<p>Another page'}, ...scenario.pages})) {
      site.put(path, {subscriptions: scenario.subscriptions, candidate, control, ...page});
    }
    const visit = new Visit(window, site, await window.open(scenario.background ?? false));
    await (scenario.act ?? open)(visit);
    await visit.end();
    return await visit.records();
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

  /** Loads a page and waits until it is loaded, observed and, if visible, painted. */
  async open(path = '/') {
    await this.go(path);
    await this.marked('observing');
    await this.marked('load');
    // An action before the paint would find another state than the scenario intends.
    if (await this.run('document.visibilityState === "visible" && !!document.querySelector("h1, h2, p, img, button, input")')) await this.painted();
    await this.settle();
  }

  /** Waits for the first contentful paint of the current page. */
  async painted() {
    await this.tab.until((records) => {
      const start = records.findLastIndex(({kind}) => kind === 'start');
      return start >= 0 && records.slice(start).some(({kind, entries}) => kind === 'entries' && entries.some((/** @type {any} */ {name}) => name === 'first-contentful-paint'));
    });
  }

  /** Navigates to a page and waits only for its first script. */
  async go(path = '/') {
    const before = this.tab.records.length;
    await this.tab.goto(new URL(path, this.site.origin).href);
    await this.tab.until((records) => records.slice(before).find(({kind}) => kind === 'start'));
  }

  /** Waits for the next mark with this name that no other call has returned. @param {string} name @param {object} [like] */
  async marked(name, like = {}) {
    const mark = await this.tab.until((records) =>
      records.find((row) => row.kind === 'mark' && row.name === name && !row.awaited && Object.entries(like).every(([key, value]) => row[key] === value)),
    );
    mark.awaited = true;
  }

  async settle() {
    await this.tab.evaluate('recorder.settled()');
  }

  /** Records a step, so that reports before and after it are distinguished. @param {string} name */
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

  /** Clicks, with a handler that takes `burn` ms, and waits for the effects. @param {string} [selector] @param {number} [burn] */
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

  /** Navigates to another page and back to this one from the back/forward cache. */
  async leaveAndReturn() {
    // Both libraries report when idle; without this, one of them might report only on leaving.
    await this.settle();
    await this.tab.goto(`${this.site.origin}/other`);
    await this.tab.until((records) => records.findLast(({kind}) => kind === 'start')?.url.endsWith('/other'));
    await this.tab.until((records) => records.findLast(({name}) => name === 'load')?.page === records.at(-1).page);
    await this.settle();
    await this.tab.back();
    await this.marked('pageshow', {persisted: true});
    await this.settle();
  }

  /** Runs in the page. @param {string | ((...args: any[]) => unknown)} what @param {...unknown} args */
  run(what, ...args) {
    return this.tab.evaluate(what, ...args);
  }

  /** Hides the page for good. */
  async end() {
    if ((await this.run('document.visibilityState')) === 'hidden') return;
    await this.settle();
    await this.hide();
    await this.settle();
  }

  /** Returns the records of all pages. Records that a page could not send on its way out come from its storage. */
  async records() {
    const pages = await this.run('recorder.all()');
    return [...new Set(this.tab.records.map(({page}) => page))].flatMap((page) => pages[page] ?? this.tab.records.filter((row) => row.page === page));
  }

  /** @param {number} burn @param {() => Promise<void>} act */
  async #interact(burn, act) {
    await this.run(`recorder.burn = ${burn}`);
    const before = this.tab.records.length;
    await act();
    // Such a slow handler certainly has an entry: the browser's minimum is 16 ms.
    if (burn > 16) {
      await this.tab.until((records) =>
        records.slice(before).some(({kind, entries}) => kind === 'entries' && entries.some((/** @type {any} */ entry) => entry.entryType === 'event' && entry.interactionId && entry.processingEnd - entry.processingStart > burn - COARSE)),
      );
    }
    await this.settle();
  }
}

/** @param {ReturnType<typeof reported>[number]} report */
const line = ({name, value, delta, rating, navigationType, navigationURL, entries}) => [name, value, delta, rating, navigationType, navigationURL, entries.map((/** @type {any} */ {entryType, name, startTime, duration}) => `${entryType} ${name} ${startTime}+${duration}`).join(', ')].join(' · ');

/** The browser rounds each time to 0.1 ms: a handler of 300 ms may have an entry of 299.9 ms. */
const COARSE = 1;
