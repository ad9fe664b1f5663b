// Chromium, driven as a person would use it. `cargo xtask` sets its path in CHROMIUM.
import { chromium } from "playwright-core";

/**
 * Launches a browser of that device class. The user agent is set for the browser, not for a page,
 * because requests during unload go out after a page's overrides are gone.
 * @param {keyof typeof DEVICES} device
 * @param {string[]} [more] further command-line switches
 */
export async function launch(device, more = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    // Chromium's sandbox does not run as root, as in most containers.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-agent=${AGENTS[device]}`,
      // These visits stand for people's; an automated browser would be counted as a bot.
      "--disable-blink-features=AutomationControlled",
      ...more,
    ],
  });
}

const AGENTS = {
  desktop: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
  phone:
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36",
};

/** The two device classes of the visits. */
export const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 412, height: 823 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

/**
 * Visits a page: waits until it is painted, interacts, and leaves.
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {{ device: keyof typeof DEVICES, slow: boolean }} how
 */
export async function visit(browser, url, { device, slow }) {
  const context = await browser.newContext(DEVICES[device]);
  try {
    const page = await context.newPage();
    if (slow) await slowDown(page);
    await page.goto(url, { waitUntil: "load" });
    const measured = page.locator("[data-metric=LCP] td").last();
    await measured.filter({ hasText: "budget" }).waitFor();
    await page.locator("[data-work]").click();
    await page.locator("[data-metric=INP] td").last().filter({ hasText: "budget" }).waitFor();
    // Leaving the page sends the beacon.
    await page.goto("about:blank");
  } finally {
    await context.close();
  }
}

/** @param {import("playwright-core").Page} page */
async function slowDown(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 300,
    downloadThroughput: 200_000,
    uploadThroughput: 90_000,
  });
}

/**
 * Returns the summary of a site as soon as it counts that many views, and throws after 30 s.
 * @param {string} site
 * @param {number} views
 * @param {string} [name]
 */
export async function summaryOf(site, views, name = "demo") {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await fetch(`${site}/api/vitals/summary?site=${name}`);
    if (!answer.ok) throw new Error(`the summary request returned ${answer.status}: ${await answer.text()}`);
    const summary = await answer.json();
    if (summary.views >= views) return summary;
    if (Date.now() > deadline) throw new Error(`of ${views} visits, only ${summary.views} were counted within 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
