//! Firefox over WebDriver BiDi and WebKit over WebDriver, each with one window that a test drives.

import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {createServer} from 'node:net';
import puppeteer from 'puppeteer-core';

/**
 * A browser with one tab in front.
 * @typedef {object} Engine
 * @property {string} version
 * @property {(url: string) => Promise<unknown>} goto
 * @property {(script: string) => Promise<any>} evaluate runs a script in the page and awaits what it returns
 * @property {(selector: string) => Promise<unknown>} click
 * @property {() => Promise<unknown>} reload
 * @property {() => Promise<unknown>} cover puts another tab before this one
 * @property {() => Promise<unknown>} leave closes the tab; another one is in front
 * @property {() => Promise<unknown>} close ends the browser
 */

/** The programs of each engine, with the Debian packages that have them. @type {Record<string, Record<string, string>>} */
const PROGRAMS = {
  Firefox: {'/usr/bin/firefox-esr': 'firefox-esr'},
  WebKit: {'/usr/bin/WebKitWebDriver': 'webkit2gtk-driver', '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser': 'libwebkit2gtk-4.1-0', '/usr/bin/Xvfb': 'xvfb'},
};

/** @param {string} name @returns {Promise<Engine>} */
export async function launch(name) {
  const missing = Object.entries(PROGRAMS[name]).filter(([program]) => !existsSync(program));
  if (missing.length > 0) throw new Error(`${name} is missing: apt-get install ${missing.map(([, packaged]) => packaged).join(' ')}`);
  const programs = Object.keys(PROGRAMS[name]);
  return name === 'Firefox' ? firefox(programs[0]) : webKit(programs);
}

/** @param {string} executablePath @returns {Promise<Engine>} */
async function firefox(executablePath) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    // A click made by a program is to be an interaction like a person's, and nothing else to be requested.
    extraPrefsFirefox: {'app.update.enabled': false, 'toolkit.telemetry.enabled': false, 'network.captive-portal-service.enabled': false},
  });
  let [page] = await browser.pages();
  return {
    version: await browser.version(),
    goto: (url) => page.goto(url),
    evaluate: (script) => page.evaluate(`(async () => { ${script} })()`),
    click: (selector) => page.click(selector),
    reload: () => page.reload(),
    cover: async () => void (page = await browser.newPage()),
    leave: async () => {
      const left = page;
      page = await browser.newPage();
      await left.close({runBeforeUnload: false});
    },
    close: () => browser.close(),
  };
}

/** @param {string[]} programs @returns {Promise<Engine>} */
async function webKit([driver, binary, xvfb]) {
  const screen = spawn(xvfb, ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], {stdio: ['ignore', 'ignore', 'ignore', 'pipe']});
  const display = await new Promise((resolve) => screen.stdio[3]?.once('data', (text) => resolve(`:${String(text).trim()}`)));
  const port = await freePort();
  const service = spawn(driver, [`--port=${port}`, '--host=127.0.0.1'], {
    // The sandbox of its pages needs rights that a container lacks.
    env: {...process.env, DISPLAY: display, LIBGL_ALWAYS_SOFTWARE: '1', NO_AT_BRIDGE: '1', WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1'},
    stdio: 'ignore',
  });
  const end = () => [service, screen].forEach((child) => child.kill());
  process.once('exit', end);
  await answering(port);

  /** @param {string} method @param {string} path @param {object} [body] */
  const call = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {method, body: body && JSON.stringify(body)});
    const {value} = /** @type {{value: any}} */ (await response.json());
    if (!response.ok) throw new Error(`WebKit: ${method} ${path}: ${value.message}`);
    return value;
  };
  const {sessionId, capabilities} = await call('POST', '/session', {
    capabilities: {alwaysMatch: {'webkitgtk:browserOptions': {binary, args: ['--automation']}}},
  });
  const path = `/session/${sessionId}`;
  const front = async () => {
    const {handle} = await call('POST', `${path}/window/new`, {type: 'tab'});
    return handle;
  };
  /** @param {string} script */
  const evaluate = async (script) => {
    const {value, error} = await call('POST', `${path}/execute/async`, {
      script: `const done = arguments[0]; (async () => { ${script} })().then((value) => done({value}), (error) => done({error: String(error)}));`,
      args: [],
    });
    if (error) throw new Error(error);
    return value;
  };
  return {
    version: capabilities.browserVersion,
    goto: (url) => call('POST', `${path}/url`, {url}),
    evaluate,
    click: async (selector) => {
      const element = await call('POST', `${path}/element`, {using: 'css selector', value: selector});
      await call('POST', `${path}/element/${Object.values(element)[0]}/click`, {});
    },
    reload: () => call('POST', `${path}/refresh`, {}),
    cover: async () => call('POST', `${path}/window`, {handle: await front()}),
    leave: async () => {
      const handle = await front();
      await call('DELETE', `${path}/window`);
      await call('POST', `${path}/window`, {handle});
    },
    close: async () => {
      await call('DELETE', path).finally(end);
    },
  };
}

/** @returns {Promise<number>} */
function freePort() {
  const server = createServer();
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const {port} = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    }),
  );
}

/** Resolves when a WebDriver service is ready. @param {number} port */
async function answering(port) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const status = await fetch(`http://127.0.0.1:${port}/status`).catch(() => undefined);
    if (status?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('WebKitWebDriver does not answer');
}
