// The first ten minutes of somebody new, in two: from the set-up link on the console to a live fabric of their own,
// with the mistakes that people make on the way, each explained where it was made. Without the fixtures' server:
// this one has nobody and nothing.
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { parse, stringify } from 'yaml';
import { accessible, expect, shot, test as base } from './fixtures.ts';
import { Hnp, Sim } from './hnp.ts';
import { missing, RealServer } from './real.ts';

/** From the link to the live fabric. Most of it is the browser's typing. */
const WITHIN_MS = 120_000;
const PASSWORD = 'a sentence of four words';

/** A certificate that has nothing to do with any cluster of ours. */
const FOREIGN_AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBpzCCAU2gAwIBAgIUMBFYxr/PhmAtla1uFQUBPpwxcE8wCgYIKoZIzj0EAwIw
KDEmMCQGA1UEAwwdYW4gYXV0aG9yaXR5IG9mIHNvbWVib2R5IGVsc2UwIBcNMjYx
MTI0MTQzMjQzWhgPMjEyNjEwMzExNDMyNDNaMCgxJjAkBgNVBAMMHWFuIGF1dGhv
cml0eSBvZiBzb21lYm9keSBlbHNlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
TvGJL0RXggksqY1ulROYb66ZZuHBhu5QQzeukhyq/6POc8rHv0sPL8VJEx3wS49E
J7f1aRizgnccOW6++1OsOaNTMFEwHQYDVR0OBBYEFGESUrU4oaGH7UquoQWc8zZ/
LXTEMB8GA1UdIwQYMBaAFGESUrU4oaGH7UquoQWc8zZ/LXTEMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAI4x3mulE2KWNaKUGnLATBSDMzkuuu8S
pAsolMBKUmD3AiAzIb3D9JFnPM3tFSfgbLfVWO1b3/Jx4V1O5kU/4iokFg==
-----END CERTIFICATE-----
`;

interface Kubeconfig {
  contexts: { name: string }[];
  clusters: { cluster: { server: string; 'certificate-authority-data'?: string } }[];
  users: { user: { token?: string } }[];
}

const test = base.extend<{ kubeconfig: string }>({
  // A server that nobody was at yet, in the place of the fixtures'.
  hnp: async ({}, use) => {
    const hnp = await Hnp.start({ command: 'serve', fresh: true });
    await use(hnp);
    await hnp.stop();
  },

  // As nobody.
  storageState: async ({}, use) => {
    await use(undefined);
  },

  kubeconfig: async ({}, use) => {
    if (missing() === undefined) {
      const real = await RealServer.start();
      await real.installCrds();
      await use(readFileSync(real.kubeconfig, 'utf8'));
      await real.stop();
      return;
    }
    console.log(`set-up journey: on the embedded API server, since ${missing()}`);
    const sim = await Sim.start(['--churn', '0', '--heartbeat', '0']);
    await use(readFileSync(sim.kubeconfig, 'utf8'));
    await sim.stop();
  },
});

test.use({ consoleAllow: /status of 4(22|01)|WebSocket connection to/ });
test.describe.configure({ timeout: 300_000 });

const error = (page: Page, field: string) => page.locator(`#${field}-says.error`);
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();

async function looksGood(page: Page, name: string): Promise<void> {
  for (const theme of ['light', 'dark'] as const) {
    await page.evaluate((theme) => { document.documentElement.setAttribute('data-theme', theme); }, theme);
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await accessible(page);
      await shot(page, `setup-${name}-${width}-${theme}`);
    }
  }
  await page.evaluate(() => { document.documentElement.removeAttribute('data-theme'); });
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** The first admin, with the mistakes that people make. */
async function becomeAdmin(page: Page, hnp: Hnp): Promise<void> {
  const link = /https?:\S+\/setup\/\w+/.exec(hnp.log)?.[0];
  expect(link, 'the link is on the console').toBeDefined();
  await page.goto(link ?? '');
  const fill = async (user: string, password: string, again = password): Promise<void> => {
    await page.getByLabel('User name').fill(user);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByLabel('Password again').fill(again);
    await page.getByRole('button', { name: /Create admin/ }).click();
  };
  await fill('not a name', PASSWORD);
  await expect(error(page, 'user')).toContainText('letters, digits');
  await fill('ann', 'short');
  await expect(error(page, 'password')).toContainText('at least');
  await fill('ann', PASSWORD, 'something else entirely');
  await expect(error(page, 'again')).toContainText('differ');
  await fill('ann', PASSWORD);
  await expect(page).toHaveURL(/\/settings\/fabrics\/new$/);
}

test('from the set-up link to a live fabric of one\'s own, with every mistake explained', async ({ page, hnp, kubeconfig }) => {
  const config = parse(kubeconfig) as Kubeconfig;
  const token = config.users[0]?.user.token ?? 'no token';
  const begun = Date.now();
  await becomeAdmin(page, hnp);

  // Nothing, then something that is no kubeconfig.
  await press(page, 'Test');
  await expect(error(page, 'kubeconfig')).toContainText('--flatten');
  await page.getByLabel('Kubeconfig', { exact: true }).fill('Dear colleague, here is the file: [attached]');
  await press(page, 'Save and watch');
  await expect(error(page, 'kubeconfig')).toContainText('no kubeconfig');

  // One that refers to a file of somebody else's machine.
  const referring = structuredClone(config) as unknown as { users: { user: Record<string, string> }[] };
  for (const { user } of referring.users) {
    for (const key of Object.keys(user)) delete user[key];
    user['tokenFile'] = '/home/me/token';
  }
  await page.getByLabel('Kubeconfig', { exact: true }).fill(stringify(referring));
  await press(page, 'Save and watch');
  await expect(error(page, 'kubeconfig')).toContainText('tokenFile');

  // A bad name, and what was pasted is kept.
  await page.getByLabel('Kubeconfig', { exact: true }).fill(kubeconfig);
  await page.getByLabel('Name of the fabric').fill('My Fabric!');
  await press(page, 'Save and watch');
  await expect(error(page, 'name')).toContainText('my-fabric');
  await expect(page.getByText('Received')).toBeVisible();
  expect(await page.content()).not.toContain(token);

  // The wrong authority, where there is TLS at all.
  const secured = config.clusters[0]?.cluster['certificate-authority-data'] !== undefined;
  if (secured) {
    const wrong = structuredClone(config);
    for (const { cluster } of wrong.clusters) cluster['certificate-authority-data'] = Buffer.from(FOREIGN_AUTHORITY).toString('base64');
    await page.getByText('Replace the kubeconfig').click();
    await page.getByLabel('Kubeconfig', { exact: true }).fill(stringify(wrong));
    await press(page, 'Test');
    const step = page.locator('.steps > li[data-state="failed"]');
    await expect(step).toContainText('TLS and certificate');
    await expect(step).toContainText(/authorit/i);
    await page.getByText('Replace the kubeconfig').click();
    await page.getByLabel('Kubeconfig', { exact: true }).fill(kubeconfig);
  }

  // All is well.
  await page.getByLabel('Name of the fabric').fill('my-fabric');
  await press(page, 'Test');
  await expect(page.locator('section[data-test="over"]')).toBeVisible();
  await expect(page.locator('.steps > li[data-state="failed"]')).toHaveCount(0);
  await expect(page.locator('.steps > li[data-state="ok"]').first()).toBeVisible();
  expect(await page.content()).not.toContain(token);
  await press(page, 'Save and watch');
  await expect(page).toHaveURL(/\/f\/my-fabric$/);
  await expect(page.locator('[data-connectivity="connected"]')).toBeVisible();
  const took = Date.now() - begun;
  expect(took, 'two minutes at most').toBeLessThan(WITHIN_MS);
  base.info().annotations.push({ type: 'set-up journey', description: `${took} ms` });
  await shot(page, 'setup-live');
});

test('the pages of fabrics are accessible in every width and theme, and say what is lost before it is', async ({ page, hnp, kubeconfig }) => {
  await becomeAdmin(page, hnp);
  await looksGood(page, 'new');
  await page.getByRole('link', { name: 'Address and token' }).click();
  await page.getByLabel('API server').fill('10.0.0.1');
  await press(page, 'Save and watch');
  await expect(error(page, 'server')).toContainText('https://');
  await looksGood(page, 'mistakes');
  await page.getByLabel('API server').fill('https://127.0.0.1:1');
  await page.getByLabel('Token', { exact: true }).fill('not-a-token');
  await page.getByLabel('Name of the fabric').fill('away');
  await press(page, 'Test');
  await expect(page.locator('section[data-test="over"]')).toBeVisible();
  await looksGood(page, 'test-failed');
  await press(page, 'Save and watch');
  await expect(page).toHaveURL(/\/f\/away$/);
  await expect(page.locator('[data-connectivity="disconnected"]')).toBeVisible();

  await page.goto(`${hnp.url}/settings/fabrics/new`);
  await page.getByLabel('Kubeconfig', { exact: true }).fill(kubeconfig);
  await page.getByLabel('Name of the fabric').fill('good');
  await press(page, 'Save and watch');
  await expect(page.locator('[data-connectivity="connected"]')).toBeVisible();
  await page.goto(`${hnp.url}/settings/fabrics`);
  await expect(page.locator('tr[data-fabric]')).toHaveCount(2);
  await looksGood(page, 'list');
  await page.getByRole('link', { name: 'Settings of good' }).click();
  await looksGood(page, 'one');
  await press(page, 'Test');
  await expect(page.locator('section[data-test="over"]')).toBeVisible();
  await looksGood(page, 'one-tested');

  // Switched off and on.
  await press(page, 'Switch off');
  await expect(page.getByRole('status').filter({ hasText: 'Switched off' })).toBeVisible();
  await press(page, 'Switch on');
  await expect(page.getByRole('status').filter({ hasText: 'Switched on' })).toBeVisible();

  // Deleted, but not by a single click.
  await page.getByRole('link', { name: 'Delete…' }).click();
  await expect(page.getByText('What will be lost')).toBeVisible();
  await press(page, 'Delete it for good');
  await expect(error(page, 'typed')).toBeVisible();
  await looksGood(page, 'delete');
  await page.getByLabel(/Type the name/).fill('good');
  await press(page, 'Delete it for good');
  await expect(page).toHaveURL(/\/settings\/fabrics\?done=deleted$/);
  await expect(page.locator('tr[data-fabric]')).toHaveCount(1);
});

test.describe('without scripts', () => {
  // What the page would start with is fetched all the same; that nothing starts it is said, not wrong.
  test.use({ javaScriptEnabled: false, consoleAllow: /status of 422|was preloaded using link preload but not used/ });

  test('a fabric is tested and added all the same', async ({ page, hnp, kubeconfig }) => {
    await becomeAdmin(page, hnp);
    await page.getByLabel('Kubeconfig', { exact: true }).fill(kubeconfig);
    await press(page, 'Test');
    await expect(page.locator('section[data-test="over"]')).toBeVisible();
    await press(page, 'Save and watch');
    await expect(page).toHaveURL(/\/f\/[a-z0-9.-]+$/);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  });
});
