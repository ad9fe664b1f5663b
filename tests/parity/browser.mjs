//! Chromium as its users have it: real tabs that are hidden when another comes to the front, a real
//! back/forward cache, real input. It uses the DevTools protocol directly, because test drivers keep every
//! page focused and visible and disable the back/forward cache, and those states are under test.
//!
//! Methods that work in headless Chromium 156, found by experiment:
//! - hidden and visible: bring another tab of the same window to the front
//!   (`Target.activateTarget`); the document gets its visibilitychange;
//! - a background tab: `Target.createTarget` with `background`;
//! - the back/forward cache: on by default, and a page that the protocol is
//!   attached to still enters it; `Page.navigateToHistoryEntry` goes back;
//! - prerendering: speculation rules; the prerendered page is a second target
//!   of the same tab, so we attach to tabs and through them to their pages.
//!
//! The meaning of a page's records is left to the readers of this module.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** A running Chromium and the one connection to it. */
export class Browser {
  /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
  #answers = new Map();
  /** @type {Map<string, Tab>} by session */
  #sessions = new Map();
  /** @type {Map<string, (tab: Tab) => void>} by target */
  #expected = new Map();
  #last = 0;
  /** Listeners for the browser's own events, outside any page. @type {Set<(method: string, params: any) => void>} */
  listeners = new Set();

  /** @param {string[]} [flags] @returns {Promise<Browser>} */
  static async launch(flags = []) {
    const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
    const child = spawn(process.env.CHROMIUM ?? '/usr/bin/chromium', [...FLAGS, `--user-data-dir=${profile}`, ...flags, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const browser = new Browser(child, profile, new WebSocket(await listening(child)));
    await once(browser.socket, 'open');
    // A tab is the parent of the page in it and of the pages prerendered for it.
    await browser.send('Target.setAutoAttach', {autoAttach: true, waitForDebuggerOnStart: false, flatten: true, filter: [{type: 'tab'}]});
    return browser;
  }

  /** @param {import('node:child_process').ChildProcess} child @param {string} profile @param {WebSocket} socket */
  constructor(child, profile, socket) {
    this.child = child;
    this.profile = profile;
    this.socket = socket;
    socket.addEventListener('message', ({data}) => this.#receive(JSON.parse(data)));
  }

  /** @param {string} method @param {object} [params] @param {string} [sessionId] @returns {Promise<any>} */
  send(method, params = {}, sessionId) {
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#answers.set(id, {resolve, reject}));
    this.socket.send(JSON.stringify({id, method, params, sessionId}));
    return within(answer, () => `the browser did not answer ${method} ${JSON.stringify(params)}`);
  }

  /** A window of its own, with its own storage and cache, and a second tab to hide the first behind. */
  async window() {
    const {browserContextId} = await this.send('Target.createBrowserContext', {disposeOnDetach: true});
    const spare = await this.#tab({browserContextId});
    return new Window(this, browserContextId, spare, (background) => this.#tab({browserContextId, background}));
  }

  /** Kills the browser, as a power cut would. */
  async kill() {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
    await rm(this.profile, {recursive: true, force: true, maxRetries: 10, retryDelay: 100});
  }

  /** Closes the browser; kills it if it does not respond. */
  async close() {
    const gone = once(this.child, 'exit');
    this.send('Browser.close').catch(() => {});
    const force = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE / 2);
    await gone;
    clearTimeout(force);
    await rm(this.profile, {recursive: true, force: true, maxRetries: 10, retryDelay: 100});
  }

  /** @param {object} where @returns {Promise<Tab>} */
  async #tab(where) {
    const {targetId} = await this.send('Target.createTarget', {url: 'about:blank', ...where});
    const known = [...this.#sessions.values()].find((tab) => tab.targetId === targetId);
    /** @type {Tab} */
    const tab = known ?? (await new Promise((resolve) => this.#expected.set(targetId, resolve)));
    await tab.ready;
    return tab;
  }

  /** @param {any} message */
  #receive(message) {
    if (message.id) {
      const answer = this.#answers.get(message.id);
      this.#answers.delete(message.id);
      if (message.error) answer?.reject(new Error(message.error.message));
      else answer?.resolve(message.result);
      return;
    }
    if (message.method === 'Target.attachedToTarget') this.#attached(message.params, message.sessionId);
    if (message.sessionId) this.#sessions.get(message.sessionId)?.receive(message);
    else for (const listener of this.listeners) listener(message.method, message.params);
  }

  /** @param {{sessionId: string, targetInfo: {type: string, targetId: string, subtype?: string}}} params @param {string | undefined} parent */
  #attached({sessionId, targetInfo}, parent) {
    if (targetInfo.type === 'tab') {
      this.send('Target.setAutoAttach', {autoAttach: true, waitForDebuggerOnStart: true, flatten: true}, sessionId).catch(() => {});
      return;
    }
    const tab = new Tab(this, sessionId, targetInfo.targetId, parent);
    this.#sessions.set(sessionId, tab);
    if (targetInfo.subtype === 'prerender') {
      const shown = [...this.#sessions.values()].find((other) => other !== tab && other.parent === parent);
      shown?.prerendered(tab);
    }
    this.#expected.get(targetInfo.targetId)?.(tab);
    this.#expected.delete(targetInfo.targetId);
  }
}

/** One window, whose first tab exists only to come to the front. */
export class Window {
  /** @param {Browser} browser @param {string} id @param {Tab} spare @param {(background: boolean) => Promise<Tab>} open */
  constructor(browser, id, spare, open) {
    this.browser = browser;
    this.id = id;
    this.spare = spare;
    this.open = open;
  }

  /** Hides every other tab of the window. */
  async coverAll() {
    await this.browser.send('Target.activateTarget', {targetId: this.spare.targetId});
  }

  /** @param {Tab} tab */
  async front(tab) {
    await this.browser.send('Target.activateTarget', {targetId: tab.targetId});
  }

  async close() {
    await this.browser.send('Target.disposeBrowserContext', {browserContextId: this.id});
  }
}

/** A page in a tab: its records, and input. */
export class Tab {
  /** @type {any[]} the records of the page so far, in order */
  records = [];
  /** @type {Set<{predicate: (records: any[]) => unknown, resolve: (value: any) => void}>} */
  #waiting = new Set();
  /** @type {Set<{method: string, resolve: (params: any) => void}>} */
  #events = new Set();

  /** @param {Browser} browser @param {string} session @param {string} targetId @param {string | undefined} parent */
  constructor(browser, session, targetId, parent) {
    this.browser = browser;
    this.session = session;
    this.targetId = targetId;
    this.parent = parent;
    this.ready = this.#prepare();
    // A failure is reported where the tab is awaited. Other targets, such as parts of the browser's own
    // window, need not respond.
    this.ready.catch(() => {});
    /** @type {Promise<Tab>} the page that is prerendered behind this one */
    this.prerender = new Promise((resolve) => (this.prerendered = resolve));
  }

  /** @param {string} method @param {object} [params] */
  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  /** @param {{method: string, params: any}} message */
  receive({method, params}) {
    for (const waiting of this.#events) {
      if (waiting.method === method) waiting.resolve(params), this.#events.delete(waiting);
    }
    if (method === 'Runtime.bindingCalled') {
      this.records.push(JSON.parse(params.payload));
      for (const waiting of this.#waiting) {
        const value = waiting.predicate(this.records);
        if (value) waiting.resolve(value), this.#waiting.delete(waiting);
      }
    }
  }

  /** Waits for the first truthy result of `predicate` on the records of the page. @param {(records: any[]) => unknown} predicate @returns {Promise<any>} */
  until(predicate) {
    const value = predicate(this.records);
    if (value) return Promise.resolve(value);
    const match = new Promise((resolve) => this.#waiting.add({predicate, resolve}));
    return within(match, () => `the page has no record for ${predicate}; its last records:\n${this.records.slice(-12).map((row) => JSON.stringify(row)).join('\n')}`);
  }

  /** @param {string} method @returns {Promise<any>} */
  event(method) {
    return within(new Promise((resolve) => this.#events.add({method, resolve})), () => `the browser sent no ${method}`);
  }

  /** Runs in the page; its promise is awaited. @param {string | ((...args: any[]) => unknown)} what @param {...unknown} args */
  async evaluate(what, ...args) {
    const expression = typeof what === 'function' ? `(${what})(${args.map((arg) => JSON.stringify(arg)).join()})` : what;
    const {result, exceptionDetails} = await this.send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true});
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Navigates as a person does who types an address. @param {string} url */
  async goto(url) {
    await this.send('Page.navigate', {url});
  }

  async reload() {
    await this.send('Page.reload', {});
  }

  async back() {
    const {currentIndex, entries} = await this.send('Page.getNavigationHistory');
    await this.send('Page.navigateToHistoryEntry', {entryId: entries[currentIndex - 1].id});
  }

  async forward() {
    const {currentIndex, entries} = await this.send('Page.getNavigationHistory');
    await this.send('Page.navigateToHistoryEntry', {entryId: entries[currentIndex + 1].id});
  }

  /** @param {string} selector @param {() => Promise<unknown>} [first] what must happen between aiming and clicking */
  async click(selector, first) {
    const at = await this.#centre(selector);
    await first?.();
    await this.send('Input.dispatchMouseEvent', {type: 'mousePressed', button: 'left', clickCount: 1, ...at});
    await this.send('Input.dispatchMouseEvent', {type: 'mouseReleased', button: 'left', clickCount: 1, ...at});
  }

  /** @param {string} selector */
  async tap(selector) {
    const at = await this.#centre(selector);
    await this.send('Input.dispatchTouchEvent', {type: 'touchStart', touchPoints: [at]});
    await this.send('Input.dispatchTouchEvent', {type: 'touchEnd', touchPoints: []});
  }

  /** @param {string} selector @param {number} by */
  async drag(selector, by) {
    const at = await this.#centre(selector);
    await this.send('Input.dispatchMouseEvent', {type: 'mousePressed', button: 'left', clickCount: 1, ...at});
    await this.send('Input.dispatchMouseEvent', {type: 'mouseMoved', button: 'left', x: at.x + by, y: at.y});
    await this.send('Input.dispatchMouseEvent', {type: 'mouseReleased', button: 'left', clickCount: 1, x: at.x + by, y: at.y});
  }

  /** @param {string} key one printable letter */
  async press(key) {
    const code = `Key${key.toUpperCase()}`;
    await this.send('Input.dispatchKeyEvent', {type: 'keyDown', key, code, text: key, windowsVirtualKeyCode: key.toUpperCase().charCodeAt(0)});
    await this.send('Input.dispatchKeyEvent', {type: 'keyUp', key, code, windowsVirtualKeyCode: key.toUpperCase().charCodeAt(0)});
  }

  /** @param {number} by */
  async scroll(by) {
    await this.send('Input.dispatchMouseEvent', {type: 'mouseWheel', x: 200, y: 200, deltaX: 0, deltaY: by});
  }

  async close() {
    await this.send('Page.close');
  }

  async #prepare() {
    // Sent in one go: a target that waits for its debugger answers nothing until it may run.
    await Promise.all([
      this.send('Page.enable'),
      this.send('Runtime.enable'),
      this.send('Runtime.addBinding', {name: '__tell'}),
      this.send('Runtime.runIfWaitingForDebugger'),
    ]);
  }

  /** @param {string} selector @returns {Promise<{x: number, y: number}>} */
  #centre(selector) {
    return this.evaluate((/** @type {string} */ selector) => {
      const {x, y, width, height} = /** @type {Element} */ (document.querySelector(selector)).getBoundingClientRect();
      return {x: x + width / 2, y: y + height / 2};
    }, selector);
  }
}

/** A timeout while waiting for the browser or a page. */
export class Missing extends Error {}

/** Awaits a promise, with a timeout far above any delay of a working browser. @template T @param {Promise<T>} promise @param {() => string} missing @returns {Promise<T>} */
function within(promise, missing) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Missing(missing())), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<string>} */
function listening(child) {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stderr?.on('data', (chunk) => {
      output += chunk;
      const address = output.match(/DevTools listening on (ws:\S+)/);
      if (address) resolve(address[1]);
    });
    child.once('exit', (code) => reject(new Error(`the browser ended (${code}) before it listened:\n${output}`)));
  });
}

/** Running browsers, killed when the process exits early. @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** In ms. */
const PATIENCE = 15_000;

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // The libraries under test must not see each other's site isolated away by memory pressure or a slow machine.
  '--disable-hang-monitor',
  '--remote-debugging-port=0',
];
