// The API server misbehaves: the page says what is wrong, since when and why, and heals with it.
import type { Page } from '@playwright/test';
import { badge, expect, live, row, rows, shot, test, unreloaded } from './fixtures.ts';
import { ALL, TWELVE, named, resource } from './kinds.ts';

const SWITCH = named('Switch');
const SERVER = named('Server');
const VLANS = named('VLANNamespace');
/** A cluster that falls silent must be noticed within this time. */
const NOTICED_MS = 16_000;
const HEALED = { timeout: 60_000 };

test.use({ hnpArgs: '--faults' });

function card(page: Page) {
  return page.locator('article[data-fabric="demo"]');
}

/** When the card first shows another connectivity than this, in Unix milliseconds. */
async function leaves(page: Page, word: string): Promise<() => Promise<number>> {
  const when = await page.evaluateHandle((word) => ({
    at: new Promise<number>((resolve) => {
      const look = (): void => { if (document.querySelector('[data-connectivity]')?.getAttribute('data-connectivity') !== word) resolve(Date.now()); };
      new MutationObserver(look).observe(document.body, { attributes: true, subtree: true, attributeFilter: ['data-connectivity'] });
    }),
  }), word);
  return () => when.evaluate(({ at }) => at);
}

test('a cluster that hangs is noticed within 16 s, shown as of then, and live again after it heals', async ({ context, cluster }) => {
  const [overview, list] = [await context.newPage(), await context.newPage()];
  await overview.goto('/');
  await list.goto('/f/demo/switches');
  const same = [];
  for (const page of [overview, list]) {
    await live(page);
    same.push(await unreloaded(page));
  }
  await expect(card(overview)).toHaveAttribute('data-connectivity', 'connected', HEALED);
  await expect(overview.locator('a.watch[data-watch="live"]')).toHaveCount(ALL.length);
  const names = await rows(list, SWITCH.kind).count();

  const left = await leaves(overview, 'connected');
  await cluster.fault({ fault: 'hang' });
  const hung = Date.now();
  const noticed = await left() - hung;
  console.log(`hanging cluster noticed after ${noticed} ms`);
  expect(noticed).toBeLessThan(NOTICED_MS);
  await expect(card(overview)).toHaveAttribute('data-connectivity', 'disconnected');
  await expect(overview.locator('a.watch[data-watch="live"]'), 'no watch is called live').toHaveCount(0);
  await expect(overview.locator('a.watch[data-tone="ok"]')).toHaveCount(0);
  await expect(card(overview).locator('.reason').first()).toHaveText(/\w{4,}/);
  await expect(card(overview)).toContainText(/last answer .* ago/);
  await expect(rows(list, SWITCH.kind), 'the last that was seen stays').toHaveCount(names);
  await expect(list.locator('[data-state="stale"]')).toContainText(/As of \d\d:\d\d:\d\d UTC, retrying: \w+/);
  await expect(list.locator('td[data-col="readiness"] [data-tone="ok"]'), 'no switch is called ready').toHaveCount(0);
  await shot(overview, 'upstream-hangs-overview');
  await shot(list, 'upstream-hangs-list');

  await cluster.fault({ fault: 'heal' });
  const healed = performance.now();
  await expect(card(overview)).toHaveAttribute('data-connectivity', 'connected', HEALED);
  await expect(overview.locator('a.watch[data-watch="live"]')).toHaveCount(ALL.length, HEALED);
  console.log(`live again ${Math.round(performance.now() - healed)} ms after the cluster answers`);
  await expect(list.locator('[data-state="stale"]')).toHaveCount(0);
  await cluster.patch(SWITCH, 'leaf-01', { spec: { description: 'awake again' } });
  await expect(row(list, SWITCH.kind, 'leaf-01')).toContainText('awake again');
  for (const check of same) await check();
});

test.describe('history', () => {
  test.use({ apart: true });

  for (const how of ['event', 'status'] as const) {
    test(`that is compacted away (410 as ${how}) costs no object and leaves no ghost`, async ({ context, hnp, cluster }) => {
      const vlans = (name: string): object => ({
        apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, spec: { ranges: [{ from: 3_000, to: 3_099 }] },
      });
      await cluster.create(VLANS, vlans('goes'));
      const [list, fabric] = [await context.newPage(), await context.newPage()];
      await list.goto('/f/demo/vlannamespaces');
      await fabric.goto('/f/demo');
      for (const page of [list, fabric]) await live(page);
      await expect(row(list, VLANS.kind, 'goes')).toBeVisible();
      const same = await unreloaded(list);

      // While nobody watches, things happen and their history goes.
      hnp.signal('SIGSTOP');
      await cluster.fault({ fault: 'gone', how });
      await cluster.fault({ fault: 'drop_watches', end: 'abrupt' });
      await cluster.create(VLANS, vlans('comes'));
      await cluster.remove(VLANS, 'goes');
      await cluster.fault({ fault: 'compact' });
      hnp.signal('SIGCONT');

      await expect(row(list, VLANS.kind, 'comes')).toBeVisible(HEALED);
      await expect(row(list, VLANS.kind, 'goes')).toHaveCount(0);
      const expected = (await cluster.listAll(VLANS)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
      await expect.poll(() => rows(list, VLANS.kind).evaluateAll((rows) => rows.map((row) => row.getAttribute('data-key') ?? '').sort())).toEqual(expected);
      const told = fabric.locator('.feed-entry').filter({ hasText: 'default/goes deleted' });
      await expect(told, 'what was not seen happening is said to be found').toContainText('found after an interruption');
      await expect(badge(fabric, VLANS.kind)).toHaveAttribute('data-watch', 'live', HEALED);
      await same();
    });
  }
});

test('a resource definition that is removed is missing with a reason, while the others stay live, and comes back', async ({ context, cluster }) => {
  const [fabric, list] = [await context.newPage(), await context.newPage()];
  await fabric.goto('/f/demo');
  await list.goto('/f/demo/servers');
  for (const page of [fabric, list]) await live(page);
  await expect(fabric.locator('a.watch[data-watch="live"]')).toHaveCount(ALL.length);

  await cluster.fault({ fault: 'remove_crd', resource: resource(SERVER) });
  await expect(badge(fabric, SERVER.kind)).toHaveAttribute('data-watch', 'missing', HEALED);
  await expect(badge(fabric, SERVER.kind)).toHaveAttribute('title', /missing, \w+/);
  for (const kind of TWELVE.filter((kind) => kind !== SERVER)) {
    await expect(badge(fabric, kind.kind)).toHaveAttribute('data-watch', 'live');
  }
  const reason = fabric.locator(`tr:has(td[data-col="watch"] [data-kind="Server"]) td[data-col="reason"]`);
  await expect(reason).toHaveText(/\w{4,}/);
  await expect(badge(fabric, SERVER.kind).locator('.count')).not.toHaveText('0');
  await expect(list.locator('[data-watch="missing"]').first()).toBeVisible();
  await expect(list.locator('[data-state="missing"], [data-state="stale"]')).toBeVisible();
  await shot(list, 'upstream-missing-list');

  await cluster.fault({ fault: 'restore_crd', resource: resource(SERVER) });
  await expect(badge(fabric, SERVER.kind)).toHaveAttribute('data-watch', 'live', HEALED);
  await cluster.create(SERVER, { apiVersion: SERVER.api, kind: SERVER.kind, metadata: { name: 'anew' }, spec: { description: 'first of the new ones' } });
  await expect(row(list, SERVER.kind, 'anew')).toBeVisible();
  await expect(rows(list, SERVER.kind), 'the old ones went with their definition').toHaveCount(1);
});

test('a right that is taken away is forbidden with a reason, and given back is live', async ({ context, cluster }) => {
  const [fabric, list, fresh] = [await context.newPage(), await context.newPage(), await context.newPage()];
  await fabric.goto('/f/demo');
  await list.goto('/f/demo/servers');
  for (const page of [fabric, list]) await live(page);
  const before = await rows(list, SERVER.kind).count();

  await cluster.fault({ fault: 'forbid', resource: resource(SERVER) });
  // A watch that is open goes on until it is renewed; that takes up to a minute, so end it here.
  await cluster.fault({ fault: 'drop_watches', end: 'clean' });
  await expect(badge(fabric, SERVER.kind)).toHaveAttribute('data-watch', 'forbidden', HEALED);
  await expect(badge(fabric, SERVER.kind)).toHaveAttribute('title', /forbidden, \w+/);
  await expect(badge(fabric, SWITCH.kind)).toHaveAttribute('data-watch', 'live', HEALED);
  await expect(card(fabric)).toHaveAttribute('data-connectivity', 'degraded');
  await expect(list.locator('[data-state="stale"]')).toContainText(/As of \d\d:\d\d:\d\d UTC, forbidden: \w+/);
  await expect(rows(list, SERVER.kind)).toHaveCount(before);
  // A page that is opened now is told the same.
  await fresh.goto('/f/demo/servers');
  await live(fresh);
  await expect(fresh.locator('[data-watch="forbidden"]').first()).toBeVisible();
  await expect(fresh.locator('[data-state="stale"]')).toContainText('forbidden');

  await cluster.fault({ fault: 'permit', resource: resource(SERVER) });
  await expect(badge(fabric, SERVER.kind)).toHaveAttribute('data-watch', 'live', HEALED);
  await expect(list.locator('[data-state="stale"]')).toHaveCount(0);
});

test.describe('a kind that was never allowed', () => {
  test.use({ apart: true, wrong: { fault: 'forbid', resource: resource(SERVER) } });

  test('shows the reason on its list page, and no number anywhere', async ({ page }) => {
    await page.goto('/f/demo/servers');
    await live(page);
    const panel = page.locator('[data-state="forbidden"]');
    await expect(panel).toContainText('are not known: forbidden');
    await expect(panel.locator('p')).toHaveText(/\w{4,}/);
    await expect(rows(page, SERVER.kind)).toHaveCount(0);
    await expect(page.locator('[data-count]')).toHaveText('');
    await expect(page.locator('.rail a[href="/f/demo/servers"] .rail-count')).toHaveText('–');
    await shot(page, 'upstream-forbidden-list');
  });
});
