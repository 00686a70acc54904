// The browser's own link: cut, silent, refused, offline, and the server itself gone and back.
import type { Page } from '@playwright/test';
import { expect, linkFact, live, pill, row, rows, shot, test, unreloaded } from './fixtures.ts';
import { Hnp } from './hnp.ts';
import { named } from './kinds.ts';
import { until } from './until.ts';

const SWITCH = named('Switch');
const VLANS = named('VLANNamespace');
const LIST = '/f/demo/vlannamespaces';

/** What the browser itself prints about connections that a test breaks. */
const BROKEN = /WebSocket connection to|net::ERR_/;
/** Silence must be noticed within this time (two heartbeats and the time for a probe). */
const NOTICED_MS = 16_000;

const vlans = (name: string): object => ({
  apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, spec: { ranges: [{ from: 3_000, to: 3_099 }] },
});

/** The page says that what it shows may be out of date, since when, and when it will try again. */
async function saysStale(page: Page): Promise<void> {
  await expect(pill(page)).toHaveAttribute('data-live', 'reconnecting');
  const banner = page.locator('[data-stale]');
  await expect(banner).toContainText(/stale since \d\d:\d\d:\d\d UTC/);
  await expect(banner).toContainText(/reconnecting/);
  await expect(banner.getByRole('button', { name: 'Retry now' })).toBeVisible();
}

/** The page is live again and says nothing of staleness. */
async function saysLive(page: Page): Promise<void> {
  await live(page);
  await expect(page.locator('[data-stale]')).toHaveCount(0);
}

/** When the pill leaves a state, in Unix milliseconds. */
async function leaves(page: Page, state: string): Promise<() => Promise<number>> {
  const when = await page.evaluateHandle((state) => {
    const pill = document.querySelector('[data-live]');
    if (pill === null) throw new Error('there is no pill');
    const at = new Promise<number>((resolve) => {
      new MutationObserver(() => { if (pill.getAttribute('data-live') !== state) resolve(Date.now()); }).observe(pill, { attributes: true });
    });
    return { at };
  }, state);
  return () => when.evaluate(({ at }) => at);
}

async function names(page: Page): Promise<string[]> {
  return rows(page, VLANS.kind).evaluateAll((rows) => rows.map((row) => row.getAttribute('data-key') ?? '').sort());
}

test.use({ viaProxy: true, consoleAllow: BROKEN });

test('a link that is cut is stale at once, tries again by itself and catches up without loss', async ({ page, line, cluster }) => {
  for (const name of ['stays', 'goes']) await cluster.create(VLANS, vlans(name));
  await page.goto(LIST);
  await live(page);
  await expect(row(page, VLANS.kind, 'goes')).toBeVisible();
  const same = await unreloaded(page);
  const before = await rows(page, VLANS.kind).count();

  await line.become('refuse');
  line.cut();
  await saysStale(page);
  await expect(page.locator('[data-stale]')).toContainText(/reconnecting in \d+ s/);
  await expect(page.locator('link[rel="icon"]')).toHaveAttribute('href', /stale/);
  await expect(rows(page, VLANS.kind), 'what was seen stays').toHaveCount(before);
  const green = await page.evaluate(() => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.setProperty('color', 'var(--ok)');
    const ok = getComputedStyle(probe).color;
    probe.remove();
    const shown = [...document.querySelectorAll('body [data-tone="ok"], body [data-tone="ok"] *')].filter((element) => element.checkVisibility() && getComputedStyle(element).color === ok);
    return { ok, shown: shown.map(({ outerHTML }) => outerHTML.slice(0, 120)) };
  });
  expect(green.ok, 'the colour is known').not.toBe('');
  expect(green.shown, 'nothing is green that is not observed now').toEqual([]);
  await shot(page, 'link-stale');
  await cluster.remove(VLANS, 'goes');
  await cluster.create(VLANS, vlans('comes'));
  await cluster.patch(VLANS, 'stays', { spec: { ranges: [{ from: 3_700, to: 3_701 }] } });

  await line.become('pass');
  await saysLive(page);
  await expect(row(page, VLANS.kind, 'comes')).toBeVisible();
  await expect(row(page, VLANS.kind, 'stays')).toContainText('3700');
  const expected = (await cluster.listAll(VLANS)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
  await expect.poll(() => names(page), 'no ghost of what was deleted meanwhile').toEqual(expected);
  expect(await linkFact(page, 'Resumes')).toBe('1');
  expect(await linkFact(page, 'Lost')).toBe('0');
  await cluster.patch(VLANS, 'stays', { spec: { ranges: [{ from: 3_800, to: 3_801 }] } });
  await expect(row(page, VLANS.kind, 'stays'), 'it goes on afterwards').toContainText('3800');
  await same();
});

test('retry now does not wait for the countdown', async ({ page, line }) => {
  await page.goto(LIST);
  await live(page);
  await line.become('refuse');
  line.cut();
  await saysStale(page);
  // Far enough into the backoff that only the button can explain a connection within a second.
  await until('a wait of several seconds', 60_000, async () => {
    const wait = /reconnecting in (\d+) s/.exec(await page.locator('[data-stale]').innerText())?.[1];
    return wait !== undefined && Number(wait) >= 4;
  });
  await line.become('pass');
  const before = performance.now();
  await page.locator('[data-stale]').getByRole('button', { name: 'Retry now' }).click();
  await saysLive(page);
  expect(performance.now() - before, 'well before the countdown ended').toBeLessThan(3_500);
});

test('a link that swallows everything is noticed within 16 s, and recovers', async ({ page, line, cluster }) => {
  await page.goto('/f/demo/switches');
  await live(page);
  const same = await unreloaded(page);
  // Measured where it happens, since a test that asks now and then would add its own pauses.
  const left = await leaves(page, 'live');
  await line.become('swallow');
  const silent = Date.now();
  await cluster.patch(SWITCH, 'leaf-03', { spec: { description: 'said into the void' } });
  const noticed = await left() - silent;
  console.log(`silence of the link noticed after ${noticed} ms`);
  expect(noticed).toBeLessThan(NOTICED_MS);
  await expect(page.locator('[data-stale]')).toBeVisible();

  await line.become('pass');
  line.cut();
  await expect(pill(page)).toHaveAttribute('data-live', 'live', { timeout: 60_000 });
  await expect(row(page, SWITCH.kind, 'leaf-03')).toContainText('said into the void');
  expect(await linkFact(page, 'Lost')).toBe('0');
  await same();
});

test('ten cuts in a row leave the page equal to the cluster', async ({ page, line, cluster }) => {
  await page.goto(LIST);
  await live(page);
  for (let at = 0; at < 10; at += 1) {
    line.cut();
    await cluster.create(VLANS, vlans(`cut-${at}`));
    if (at > 0) await cluster.remove(VLANS, `cut-${at - 1}`);
    // A link that breaks again and again is tried more and more rarely: by design, so do not wait for it.
    await until('the link is back', 60_000, async () => {
      if (await pill(page).getAttribute('data-live') === 'live') return true;
      const retry = page.locator('[data-stale]').getByRole('button', { name: 'Retry now' });
      if (await retry.isVisible()) await retry.click({ timeout: 1_000 }).catch(() => undefined);
      return false;
    });
  }
  const expected = (await cluster.listAll(VLANS)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
  await expect.poll(() => names(page)).toEqual(expected);
  expect(await linkFact(page, 'Lost')).toBe('0');
});

test('a browser that is offline says so, and comes back by itself', async ({ page, context, cluster }) => {
  await page.goto('/f/demo/switches');
  await live(page);
  await context.setOffline(true);
  await expect(pill(page)).toHaveAttribute('data-live', /offline|reconnecting/);
  await expect(page.locator('[data-stale]')).toBeVisible();
  await cluster.patch(SWITCH, 'spine-01', { spec: { description: 'while you were away' } });
  await context.setOffline(false);
  await saysLive(page);
  await expect(row(page, SWITCH.kind, 'spine-01')).toContainText('while you were away');
});

test.describe('the server dies', () => {
  test.use({ viaProxy: false, apart: true });

  test('and another one starts on its port: the same page goes on, without ghosts', async ({ page, hnp, sim, cluster }) => {
    await cluster.create(VLANS, vlans('goes'));
    await page.goto(LIST);
    await live(page);
    await expect(row(page, VLANS.kind, 'goes')).toBeVisible();
    const same = await unreloaded(page);
    await hnp.kill();
    await saysStale(page);
    await cluster.remove(VLANS, 'goes');
    await cluster.create(VLANS, vlans('comes'));

    const args = ['--kubeconfig', sim?.kubeconfig ?? '', '--name', 'demo'];
    const next = await Hnp.start({ command: 'serve', args, listen: new URL(hnp.url).host, home: hnp.home });
    try {
      const back = performance.now();
      await saysLive(page);
      console.log(`live ${Math.round(performance.now() - back)} ms after the server was ready again`);
      await expect(row(page, VLANS.kind, 'comes')).toBeVisible();
      const expected = (await cluster.listAll(VLANS)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
      await expect.poll(() => names(page)).toEqual(expected);
      await cluster.remove(VLANS, 'comes');
      await expect(row(page, VLANS.kind, 'comes')).toHaveCount(0);
      await same();
    } finally {
      await next.stop({ keepHome: true });
    }
  });
});
