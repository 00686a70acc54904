// Fifty fabrics on one overview, twenty of them bad: five hang, five come and go, five are given a wrong
// authority, five refuse with 403. A person sees at once how many are bad, which, and why.
// Absent: no figure of the page that is not compared with what the HTTP API tells of the same moment.
import { readFileSync } from 'node:fs';
import type { Locator, Page } from '@playwright/test';
import { parse } from 'yaml';
import { Cluster } from './cluster.ts';
import { accessible, expect, live, shot, test } from './fixtures.ts';
import type { Hnp } from './hnp.ts';

test.use({ hnpArgs: '--fabrics 45 --scale small --faults' });
test.describe.configure({ timeout: 240_000 });

/** How long a cluster that went bad may take to be found out, on a machine that is busy. */
const NOTICED = { timeout: 90_000 };
const HANGING = numbered(6, 10);
const FLAPPING = numbered(11, 15);
const FORBIDDING = numbered(16, 20);
const DISTRUSTED = [1, 2, 3, 4, 5].map((n) => `wrong-ca-${n}`);
/** The twelve kinds, as API resources. */
const TWELVE = [
  ...['vpcs', 'vpcattachments', 'vpcpeerings', 'externals', 'externalattachments', 'externalpeerings', 'ipv4namespaces'].map((plural) => `${plural}.vpc.githedgehog.com`),
  ...['switches', 'servers', 'connections', 'switchgroups', 'vlannamespaces'].map((plural) => `${plural}.wiring.githedgehog.com`),
];

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => `demo-${from + at}`);
}

interface Kubeconfig {
  clusters: { name: string; cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { token: string } }[];
}

/** Registers clusters of the demo once more, each with the authority of another one. */
async function distrust(page: Page, hnp: Hnp): Promise<void> {
  const { clusters, users } = parse(readFileSync(hnp.kubeconfig, 'utf8')) as Kubeconfig;
  for (const [at, name] of DISTRUSTED.entries()) {
    const [one, other] = [clusters[30 + at], clusters[at]];
    if (one === undefined || other === undefined) throw new Error('the demo has too few clusters');
    const authority = Buffer.from(other.cluster['certificate-authority-data'], 'base64').toString('utf8');
    const access = { kind: 'direct', server: one.cluster.server, authority, token: users[30 + at]?.user.token };
    const made = await page.request.post(`${hnp.url}/api/v1/fabrics`, { headers: { origin: hnp.url }, data: { name, access } });
    expect(made.status(), await made.text()).toBe(201);
  }
}

async function spoil(hnp: Hnp): Promise<void> {
  const at = (name: string): Cluster => Cluster.from(hnp.kubeconfig, name);
  for (const name of HANGING) await at(name).fault({ fault: 'hang' });
  await flap(hnp, false);
  for (const name of FORBIDDING) {
    for (const resource of TWELVE) await at(name).fault({ fault: 'forbid', resource });
    await at(name).fault({ fault: 'drop_watches', end: 'abrupt' });
  }
}

async function flap(hnp: Hnp, well: boolean): Promise<void> {
  for (const name of FLAPPING) {
    await Cluster.from(hnp.kubeconfig, name).fault(well ? { fault: 'heal' } : { fault: 'answer_all', with: 'server_error' });
  }
}

function card(page: Page, fabric: string): Locator {
  return page.locator(`article[data-fabric="${fabric}"]`);
}

/** The fabrics of the page in the order in which they stand. */
async function order(page: Page): Promise<string[]> {
  return page.locator('article[data-fabric]').evaluateAll((cards) => cards.map((card) => card.getAttribute('data-fabric') ?? ''));
}

/** The counts at the top are what the API counts. */
async function countsAreTrue(page: Page, hnp: Hnp): Promise<void> {
  const answer = await page.request.get(`${hnp.url}/api/v1/fabrics?limit=100`);
  const { fabrics } = await answer.json() as { fabrics: { connectivity: string }[] };
  expect(fabrics).toHaveLength(50);
  await expect(page.locator('.states')).toContainText('50 fabrics');
  for (const word of ['disconnected', 'degraded', 'connected']) {
    const count = fabrics.filter(({ connectivity }) => connectivity === word).length;
    await expect(page.locator(`.states a[href="/?state=${word}"]`)).toHaveText(new RegExp(`^\\W*${count} ${word}$`));
  }
}

test('fifty fabrics: the bad ones come first, each says why, and the counts are true', async ({ page, hnp, browser }) => {
  await spoil(hnp);
  await distrust(page, hnp);
  await page.goto('/');
  await live(page);
  await expect(page.locator('article[data-fabric]')).toHaveCount(50);

  for (const [names, state, why] of [
    [HANGING, 'disconnected', /no answer in \d+ s/],
    [FLAPPING, 'disconnected', /answered 500/],
    [DISTRUSTED, 'disconnected', /certificate of CN=HNP simulator is signed by an authority.*give the certificate authority that signed it/],
    [FORBIDDING, 'degraded', /all 12 kinds are forbidden.*answered 403.*may not get, list and watch/],
  ] as const) {
    for (const name of names) {
      await expect(card(page, name)).toHaveAttribute('data-connectivity', state, NOTICED);
      await expect(card(page, name).locator('.reason')).toHaveText(why, NOTICED);
    }
  }
  await countsAreTrue(page, hnp);
  await expect.poll(async () => (await order(page)).slice(0, 20).sort(), NOTICED)
    .toEqual([...HANGING, ...FLAPPING, ...DISTRUSTED, ...FORBIDDING].sort());
  expect((await order(page)).slice(20, 24), 'the good ones follow, as people count').toEqual(['demo', 'demo-2', 'demo-3', 'demo-4']);

  // One that comes back keeps its place for a while, and is counted as what it is.
  const before = await order(page);
  await flap(hnp, true);
  for (const name of FLAPPING) await expect(card(page, name)).toHaveAttribute('data-connectivity', 'connected', NOTICED);
  await countsAreTrue(page, hnp);
  expect(await order(page)).toEqual(before);
  await flap(hnp, false);
  for (const name of FLAPPING) await expect(card(page, name)).toHaveAttribute('data-connectivity', 'disconnected', NOTICED);

  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    for (const theme of ['light', 'dark']) {
      await page.evaluate((theme) => { document.documentElement.setAttribute('data-theme', theme); }, theme);
      const over = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll('main, article')]
        .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ tagName }) => tagName));
      expect(over, `nothing is wider than its place at ${width} px`).toEqual([]);
      await accessible(page);
      await shot(page, `fifty-${width}-${theme}`);
    }
  }

  // The keyboard leads to those of one state, by an address that others can be given.
  await page.setViewportSize({ width: 1440, height: 900 });
  const chosen = page.locator('.states a[href="/?state=degraded"]');
  await page.locator('.states a').first().focus();
  for (let stop = 0; stop < 4 && !await chosen.evaluate((link) => link === document.activeElement); stop += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/\?state=degraded$/);
  await expect(page.locator('article[data-fabric]')).toHaveCount(5);
  await expect(chosen).toHaveAttribute('aria-current', 'page');
  expect(await order(page)).toEqual(FORBIDDING);

  // The same without script.
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await page.context().storageState() });
  const reader = await plain.newPage();
  await reader.goto(page.url());
  await expect(reader.locator('article[data-fabric]')).toHaveCount(5);
  await expect(reader.locator('.states')).toContainText('50 fabrics');
  await reader.goto(`${hnp.url}/?state=disabled`);
  await expect(reader.getByRole('main')).toContainText('No fabric is in this state now.');
  await plain.close();
});
