// Plays the scenarios of scenarios.mjs in headless Chromium against a server
// and prints one JSON line for each: {"name", "problems": [text...]}.
//
// Usage: node walk.mjs --list
//        node walk.mjs URL SEED.json SCREENSHOT_FOLDER [NAME...]
//
// A scenario fails when a step does not come true in time, and when during it
// the page logs an error, throws, asks another host, or a request fails that
// is not known to be harmless.

import fs from 'node:fs';
import path from 'node:path';
import {chromium} from 'playwright-core';
import {scenarios} from './scenarios.mjs';

const STEP_MS = 15000;
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage',
];

// Requests whose failing does no harm to the pages walked here: areas that a
// tracking server need not have, which the UI asks for all the same.
const HARMLESS = [
  /^\/ajax-api\/2\.0\/mlflow\/users\//,
  /^\/ajax-api\/2\.0\/mlflow\/gateway-proxy/,
  /^\/ajax-api\/2\.0\/mlflow\/webhooks/,
  /^\/ajax-api\/3\.0\/mlflow\/assistant\//,
  /^\/ajax-api\/3\.0\/mlflow\/ui-telemetry/,
  /^\/ajax-api\/3\.0\/mlflow\/(scorers|gateway|mcp-servers)\b/,
  /^\/ajax-api\/3\.0\/mlflow\/(review-queues|label-schemas)\b/,
  /^\/ajax-api\/3\.0\/mlflow\/traces\/metrics/,
];

// Errors on the console that tell nothing about the server.
const NO_ERROR = [
  // Every failed request is logged so too; watch() judges those.
  /^Failed to load resource/,
  // The browser's note that a layout took more than one frame.
  /ResizeObserver loop completed with undelivered notifications/,
];

// The training side of the UI, without the assistant's panel over the pages.
const SETTINGS = {
  'mlflow.workflowType_v1': '"machine_learning"',
  'mlflow.assistant.panelOpen_v1': 'false',
  'mlflow.assistant.fab.autoOpenedOnFirstLoad_v1': 'true',
};

// Collects what goes wrong on a page beside the scenario's own steps.
function watch(page, {origin, pathname: prefix}, problems, expected) {
  const excused = (status, url) => {
    let {pathname} = new URL(url);
    // Below a static prefix, too.
    if (prefix !== '/') pathname = pathname.replace(prefix, '');
    return HARMLESS.some((pattern) => pattern.test(pathname)) ||
        expected.some((e) => e.status === status && e.path.test(pathname));
  };
  page.on('response', (response) => {
    const status = response.status();
    if (status >= 400 && !excused(status, response.url())) {
      problems.push(`answered ${status}: ${response.request().method()} ` +
                    response.url());
    }
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // A page left, or a newer search typed, aborts what is under way.
    if (why !== 'net::ERR_ABORTED') {
      problems.push(`failed (${why}): ${request.url()}`);
    }
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && /^(https?|wss?):/.test(url)) {
      problems.push(`asked another host: ${url}`);
    }
  });
  page.on('pageerror', (error) => problems.push(`threw: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' &&
        !NO_ERROR.some((pattern) => pattern.test(message.text()))) {
      problems.push(`logged: ${message.text().slice(0, 500)}`);
    }
  });
}

// What the browser's dialog would be told, from the variables of MLflow's
// client.
function credentials() {
  const {MLFLOW_TRACKING_USERNAME: username,
         MLFLOW_TRACKING_PASSWORD: password} = process.env;
  return username ? {username, password} : undefined;
}

async function play(browser, url, seed, name, shots) {
  const problems = [];
  const expected = [];
  const context = await browser.newContext(
      {viewport: {width: 1600, height: 1000}, locale: 'en-US',
       timezoneId: 'UTC', httpCredentials: credentials(),
       // As MLflow's client is told by the same variable.
       ignoreHTTPSErrors:
           process.env.MLFLOW_TRACKING_INSECURE_TLS === 'true'});
  await context.addInitScript((settings) => {
    for (const [key, value] of Object.entries(settings)) {
      localStorage.setItem(key, value);
    }
  }, SETTINGS);
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  // An announcement that covers the pages of a browser's first visits.
  await page.addLocatorHandler(
      page.getByRole('dialog', {name: /new Model Registry UI/}),
      (announcement) => announcement.getByLabel('Close').click());
  watch(page, new URL(url), problems, expected);
  const tools = {
    page, seed, expected,
    open: (route) => page.goto(`${url}/#${route}`),
    // Waits until the locator shows; the first, where several do.
    see: (locator) => locator.first().waitFor({state: 'visible'}),
    gone: async (locator) => {
      const end = Date.now() + STEP_MS;
      while (await locator.filter({visible: true}).count()) {
        if (Date.now() > end) throw new Error(`still there: ${locator}`);
        await page.waitForTimeout(50);
      }
    },
    // Waits until get() gives the wanted value.
    until: async (get, wanted) => {
      const end = Date.now() + STEP_MS;
      let last;
      while ((last = JSON.stringify(await get())) !== JSON.stringify(wanted)) {
        if (Date.now() > end) {
          throw new Error(`${last} instead of ${JSON.stringify(wanted)}`);
        }
        await page.waitForTimeout(50);
      }
    },
    // An answer that this scenario provokes, such as 404 for a free name.
    expect: (status, path) => expected.push({status, path}),
  };
  try {
    await scenarios[name](tools);
  } catch (error) {
    problems.unshift(error.message);
  }
  const file = path.join(shots, `${name}.png`);
  await page.screenshot({path: file}).catch(() => {});
  await context.close();
  return problems;
}

async function main() {
  if (process.argv[2] === '--list') {
    console.log(Object.keys(scenarios).join('\n'));
    return;
  }
  const [url, seedFile, shots, ...names] = process.argv.slice(2);
  const seed = JSON.parse(fs.readFileSync(seedFile));
  const browser = await chromium.launch(
      {executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
       args: FLAGS});
  try {
    for (const name of names.length ? names : Object.keys(scenarios)) {
      const problems = await play(browser, url, seed, name, shots);
      console.log(JSON.stringify({name, problems}));
    }
  } finally {
    await browser.close();
  }
}

await main();
