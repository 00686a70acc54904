// The promise of the product: what happens in the cluster appears on every page, without a reload.
import type { Page } from '@playwright/test';
import { badge, expect, live, row, rows, shot, test, unreloaded } from './fixtures.ts';
import { MANAGER, type Cluster } from './cluster.ts';
import { ALL, TWELVE, named } from './kinds.ts';

const SWITCH = named('Switch');
const SERVER = named('Server');
const VLANS = named('VLANNamespace');
const IPV4 = named('IPv4Namespace');

const vlans = (name: string, from = 3_000): object => ({
  apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, spec: { ranges: [{ from, to: from + 99 }] },
});

for (const [what, path] of [
  ['the overview', '/'],
  ['a fabric', '/f/demo'],
  ['a list', '/f/demo/connections'],
  ['a list that is sorted and filtered', '/f/demo/connections?q=leaf-01&sort=-name'],
  ['an object', '/f/demo/switches/default/leaf-01'],
] as const) {
  test(`${what} hydrates, comes alive and leaves the console empty`, async ({ page }) => {
    await page.goto(path);
    await live(page);
    await expect(page).toHaveTitle(/\S/);
    await expect(page.locator('[data-state="loading"], [data-state="error"]')).toHaveCount(0);
    await expect(page.getByRole('main').locator('h1')).toHaveCount(1);
  });
}

test('one change appears in row, object, history and feed, and says by whom', async ({ context, cluster }) => {
  const [list, object, overview] = [await context.newPage(), await context.newPage(), await context.newPage()];
  await list.goto('/f/demo/switches');
  await object.goto('/f/demo/switches/default/leaf-02');
  await overview.goto('/');
  const same = [];
  for (const page of [list, object, overview]) {
    await live(page);
    same.push(await unreloaded(page));
  }
  const words = 'Second rack from the left';
  await expect(object.getByRole('main')).not.toContainText(words);
  await cluster.patch(SWITCH, 'leaf-02', { spec: { description: words } });

  await expect(row(list, 'Switch', 'leaf-02').locator('[data-col="description"]')).toHaveText(words);
  await expect(object.locator('.yaml')).toContainText(`description: ${words}`);
  const newest = object.locator('.history li').first();
  await expect(newest).toContainText(`by ${MANAGER}`);
  await expect(newest).toContainText('/spec/description');
  await expect(newest).toContainText(words);
  // Its agent applies it, which the feed tells as well.
  const entry = overview.locator('.feed-entry').filter({ hasText: 'Switch default/leaf-02 updated' });
  await expect(entry).toHaveCount(1);
  await expect(entry).toContainText(`by ${MANAGER}`);
  await shot(object, 'object-changed');
  for (const check of same) await check();
});

test.describe('an object that comes and goes', () => {
  // Its page is asked for before there is such an object, which is a 404 and the browser says so.
  test.use({ consoleAllow: /status of 404 .*\/vlannamespaces\/default\/e2e:/ });

  test('what is created appears, and what is deleted goes from lists and stays as a tombstone on its own page', async ({ context, cluster }) => {
    const [list, object, fabric] = [await context.newPage(), await context.newPage(), await context.newPage()];
    await list.goto('/f/demo/vlannamespaces');
    await object.goto('/f/demo/vlannamespaces/default/e2e');
    await fabric.goto('/f/demo');
    const same = [];
    for (const page of [list, object, fabric]) {
      await live(page);
      same.push(await unreloaded(page));
    }
    const before = (await cluster.listAll(VLANS)).length;
    const railCount = list.locator('.rail a[href="/f/demo/vlannamespaces"] .rail-count');
    await expect(railCount).toHaveText(`${before}`);
    await expect(object.getByRole('main')).toContainText('There is no such object');

    await cluster.create(VLANS, vlans('e2e'));
    await expect(row(list, VLANS.kind, 'e2e')).toBeVisible();
    await expect(rows(list, VLANS.kind)).toHaveCount(before + 1);
    await expect(railCount).toHaveText(`${before + 1}`);
    await expect(badge(fabric, VLANS.kind).locator('.count')).toHaveText(`${before + 1}`);
    await expect(fabric.locator('.feed-entry').first()).toContainText(`${VLANS.kind} default/e2e created`);
    await expect(object.locator('.yaml')).toContainText('from: 3000');
    await expect(object.locator('[data-tombstone]')).toHaveCount(0);

    await cluster.remove(VLANS, 'e2e');
    await expect(row(list, VLANS.kind, 'e2e')).toHaveCount(0);
    await expect(railCount).toHaveText(`${before}`);
    await expect(fabric.locator('.feed-entry').first()).toContainText(`${VLANS.kind} default/e2e deleted`);
    await expect(object.locator('[data-tombstone]')).toBeVisible();
    await expect(object.locator('.yaml')).toContainText('from: 3000');
    await shot(object, 'object-tombstone');

    await cluster.create(VLANS, vlans('e2e', 3_500));
    await expect(object.locator('.yaml')).toContainText('from: 3500');
    await expect(object.locator('[data-tombstone]')).toHaveCount(0);
    for (const check of same) await check();
  });
});

test('the list of each kind shows the objects that the cluster holds, no more and no less', async ({ page, cluster }) => {
  await page.goto('/f/demo');
  await live(page);
  await expect(page.locator('a.watch[data-watch="live"]')).toHaveCount(ALL.length);
  for (const kind of ALL) {
    const keys = (await cluster.listAll(kind)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
    if (TWELVE.includes(kind)) expect(keys.length, kind.kind).toBeGreaterThan(0);
    await page.locator(`.rail a[href="/f/demo/${kind.plural}"]`).click();
    await expect(page).toHaveURL(new RegExp(`/${kind.plural}$`));
    await expect(page.getByRole('main').locator(`[data-kind="${kind.kind}"][data-watch="live"]`)).toBeVisible();
    if (keys.length === 0) {
      await expect(page.locator('[data-state="empty"]')).toBeVisible();
    } else {
      await expect.poll(() => shownKeys(page, kind.kind), kind.kind).toEqual(keys);
      await expect(page.locator('[data-count]')).toHaveText(`${keys.length}`);
    }
  }
});

test('after 200 changes at random each page equals the cluster', async ({ context, cluster }) => {
  const watched = [SERVER, SWITCH, VLANS, IPV4] as const;
  const pages = [];
  for (const kind of watched) {
    const page = await context.newPage();
    await page.goto(`/f/demo/${kind.plural}`);
    await live(page);
    pages.push({ kind, page, unreloaded: await unreloaded(page) });
  }
  await churn(cluster, 200, 20_261_124);
  for (const { kind, page, unreloaded } of pages) {
    const expected = (await cluster.listAll(kind)).map(({ metadata, spec }) => `${metadata.namespace}/${metadata.name} ${spec?.['description'] ?? ''}`.trim()).sort();
    await expect.poll(() => shown(page, kind.kind, 'description'), `${kind.kind}: page and cluster`).toEqual(expected);
    await unreloaded();
  }
});

/** Changes, creates and deletes by a fixed order of numbers, so that a failure can be played again. */
async function churn(cluster: Cluster, changes: number, seed: number): Promise<void> {
  const random = mulberry(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const made = new Map<string, string[]>([[SERVER.kind, []], [VLANS.kind, []], [IPV4.kind, []]]);
  const switches = (await cluster.listAll(SWITCH)).map(({ metadata }) => metadata.name);
  const servers = (await cluster.listAll(SERVER)).map(({ metadata }) => metadata.name);
  for (let at = 0; at < changes; at += 1) {
    const roll = random();
    if (roll < 0.5) {
      const [kind, name] = random() < 0.5 ? [SWITCH, pick(switches)] as const : [SERVER, pick(servers)] as const;
      await cluster.patch(kind, name, { spec: { description: `change ${at}` } });
      continue;
    }
    const kind = pick([SERVER, VLANS, IPV4]);
    const names = made.get(kind.kind) ?? [];
    if (roll < 0.8 || names.length === 0) {
      const name = `e2e-${at}`;
      const meta = { apiVersion: kind.api, kind: kind.kind, metadata: { name, namespace: 'default' } };
      const spec = kind === SERVER ? { description: `made ${at}` } : kind === IPV4 ? { subnets: [`100.${64 + (at % 64)}.${at % 250}.0/24`] } : { ranges: [{ from: 3_000, to: 3_000 + at }] };
      await cluster.create(kind, { ...meta, spec });
      names.push(name);
    } else {
      const name = names.splice(Math.floor(random() * names.length), 1)[0] as string;
      await cluster.remove(kind, name);
    }
  }
}

/** A small generator of numbers in [0, 1): the same seed gives the same numbers. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function shownKeys(page: Page, kind: string): Promise<string[]> {
  return shown(page, kind, undefined);
}

/** Key of each row, with the text of a column behind it, in alphabetical order. */
function shown(page: Page, kind: string, column: string | undefined): Promise<string[]> {
  return rows(page, kind).evaluateAll((rows, column) => rows.map((row) => {
    const cell = column === undefined ? null : row.querySelector(`[data-col="${column}"]`);
    return `${row.getAttribute('data-key') ?? ''} ${cell?.textContent ?? ''}`.trim();
  }).sort(), column);
}
