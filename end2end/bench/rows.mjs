// A list of 10,000 rows in Chromium: page load, scrolling, a burst of changes, the time until a change is painted.
// Started by the bench of the server (`make bench`); prints its rows as one JSON list.
//
//   node end2end/bench/rows.mjs --console http://127.0.0.1:3000 --kubeconfig FILE --user NAME --password PASSWORD
//
// Absent: no verdict here, and nothing but loopback is asked.
import { readFileSync, existsSync } from 'node:fs';
import https from 'node:https';
import process from 'node:process';
import { chromium } from '@playwright/test';
import { parse } from 'yaml';

const RUNS = 3;
const DEBIAN_CHROMIUM = '/usr/bin/chromium';
const LIST = '/f/bench/servers';
const SERVERS = '/apis/wiring.githedgehog.com/v1beta1/namespaces/default/servers';
const LIVE_WITHIN_MS = 30_000;

const options = new Map();
for (let at = 2; at < process.argv.length; at += 2) options.set(process.argv[at], process.argv[at + 1]);
const origin = options.get('--console');
const config = parse(readFileSync(options.get('--kubeconfig'), 'utf8'));
const cluster = config.clusters[0].cluster;
const api = new URL(cluster.server);
const token = config.users[0].user.token;
const agent = new https.Agent({
  keepAlive: true, maxSockets: 32, ca: Buffer.from(cluster['certificate-authority-data'], 'base64'),
});

/** One request to the API server; resolves with when it was answered (Unix milliseconds) and the body. */
function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = https.request({
      host: api.hostname, port: api.port, path, method, agent,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/merge-patch+json' }) },
    }, (response) => {
      const at = performance.timeOrigin + performance.now();
      let text = '';
      response.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => resolve({ at, text }));
    });
    request.on('error', reject);
    request.end(body && JSON.stringify(body));
  });
}

/** Changes per second for some seconds, each of another server. */
async function churn(names, rate, seconds) {
  const begun = performance.now();
  const asked = [];
  for (let n = 0; n < rate * seconds; n += 1) {
    const due = begun + (n * 1000) / rate;
    if (due > performance.now()) await new Promise((done) => { setTimeout(done, due - performance.now()); });
    asked.push(ask('PATCH', `${SERVERS}/${names[n % names.length]}`, { spec: { description: `burst ${n} of ${rate}` } }));
  }
  await Promise.all(asked);
}

function percentile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))];
}

const rows = [];
const add = (what, unit, runs, budget, note = '') => rows.push({ what, unit, runs, budget, note });

/** Frame times and long tasks while `work` runs, in milliseconds. */
async function frames(page, work) {
  await page.evaluate(() => {
    const seen = { frames: [], long: [], last: performance.now(), on: true };
    globalThis.bench = seen;
    new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask' });
    const tick = (now) => {
      seen.frames.push(now - seen.last);
      seen.last = now;
      if (seen.on) requestAnimationFrame(tick);
    };
    requestAnimationFrame((now) => { seen.last = now; requestAnimationFrame(tick); });
  });
  await work();
  return page.evaluate(() => {
    globalThis.bench.on = false;
    return { frames: globalThis.bench.frames, long: globalThis.bench.long };
  });
}

/** Scrolls the list from its beginning to its end, a screen every few frames, then back to the top. */
function scroll(page, seconds) {
  return page.evaluate((ms) => new Promise((done) => {
    const scroller = document.querySelector('.grid-scroll');
    const begun = performance.now();
    const step = (now) => {
      const share = (now - begun) / ms;
      scroller.scrollTop = share * (scroller.scrollHeight - scroller.clientHeight);
      if (share < 1) requestAnimationFrame(step);
      else { scroller.scrollTop = 0; done(); }
    };
    requestAnimationFrame(step);
  }), seconds * 1000);
}

/** Milliseconds from the start of the navigation until the link is live with all its rows. */
async function load(page) {
  const begun = performance.now();
  await page.goto(`${origin}${LIST}`, { waitUntil: 'commit' });
  await page.waitForFunction(() => document.querySelector('[data-live]')?.dataset.live === 'live'
    && Number(document.querySelector('.list-grid')?.getAttribute('aria-rowcount')) > 10_000, undefined, { timeout: LIVE_WITHIN_MS, polling: 10 });
  return performance.now() - begun;
}

/** Milliseconds from the answer to a PATCH until the frame after the one that shows it. */
async function painted(page, names, n) {
  await page.evaluate(() => {
    globalThis.shown = new Map();
    new MutationObserver(() => {
      const text = document.querySelector('.list-grid tbody tr[data-key] [data-col="description"]')?.textContent ?? '';
      const mark = /paint (\d+)/.exec(text)?.[1];
      if (mark === undefined || globalThis.shown.has(mark)) return;
      globalThis.shown.set(mark, 0);
      requestAnimationFrame(() => { setTimeout(() => globalThis.shown.set(mark, performance.timeOrigin + performance.now()), 0); });
    }).observe(document.querySelector('.list-grid'), { subtree: true, childList: true, characterData: true });
  });
  const first = await page.locator('.list-grid tbody tr[data-key]').first().getAttribute('data-key');
  const name = first.split('/')[1];
  const answered = new Map();
  for (let at = 0; at < n; at += 1) {
    const { at: when } = await ask('PATCH', `${SERVERS}/${name}`, { spec: { description: `paint ${at}` } });
    answered.set(String(at), when);
    await new Promise((done) => { setTimeout(done, 60 + Math.random() * 40); });
  }
  await page.waitForTimeout(200);
  const shown = new Map(await page.evaluate(() => [...globalThis.shown]));
  const times = [...answered].filter(([mark]) => shown.get(mark) > 0).map(([mark, when]) => shown.get(mark) - when);
  return { times, missed: n - times.length };
}

/** Signs in; what a new context comes with from then on. */
async function signedIn(browser) {
  const context = await browser.newContext();
  const data = { user: options.get('--user'), password: options.get('--password') };
  const answer = await context.request.post(`${origin}/api/v1/session`, { data });
  if (!answer.ok()) throw new Error(`signing in: ${answer.status()} ${await answer.text()}`);
  const storageState = await context.storageState();
  await context.close();
  return storageState;
}

async function measure(browser, names) {
  const storageState = await signedIn(browser);
  const cold = [];
  const warm = [];
  for (let run = 0; run < RUNS; run += 1) {
    const context = await browser.newContext({ storageState, viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    cold.push(await load(page));
    warm.push(await load(page));
    await context.close();
  }
  add('page load → live with all rows, cold cache', 'ms', cold, 1500);
  add('page load → live with all rows, warm cache', 'ms', warm, 500);

  const page = await browser.newPage({ storageState, viewport: { width: 1440, height: 900 } });
  await load(page);
  await page.waitForTimeout(1000);
  const paint = await painted(page, names, 40);
  add('PATCH answered → painted, p50', 'ms', [percentile(paint.times, 0.5)], undefined, `${paint.times.length} changes, one after the other`);
  add('PATCH answered → painted, p99', 'ms', [percentile(paint.times, 0.99)], 50, paint.missed === 0 ? '' : `${paint.missed} folded away`);
  for (const [name, rate] of [['scroll through all rows', 0], ['200 changes/s, the list standing', 200], ['scroll during 200 changes/s', 200]]) {
    const p99 = [];
    const long = [];
    const count = [];
    for (let run = 0; run < RUNS; run += 1) {
      const seen = await frames(page, () => Promise.all([
        name.startsWith('scroll') ? scroll(page, 4) : page.waitForTimeout(4000),
        rate > 0 ? churn(names, rate, 4) : undefined,
      ]));
      p99.push(percentile(seen.frames, 0.99));
      long.push(Math.max(0, ...seen.long));
      count.push(seen.long.length);
    }
    add(`${name}: frame, p99`, 'ms', p99, 32);
    add(`${name}: longest task`, 'ms', long, 50, `tasks above 50 ms: ${count.join(', ')}; 0 means none`);
  }
  await page.close();
}

const executablePath = process.env.CHROMIUM_PATH ?? (existsSync(DEBIAN_CHROMIUM) ? DEBIAN_CHROMIUM : undefined);
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const list = JSON.parse((await ask('GET', SERVERS)).text);
  await measure(browser, list.items.map(({ metadata }) => metadata.name));
} catch (error) {
  console.error(`stopped: ${error.message}`);
  process.exitCode = rows.length > 0 ? 0 : 1;
} finally {
  await browser.close();
  agent.destroy();
}
process.stdout.write(JSON.stringify(rows));
