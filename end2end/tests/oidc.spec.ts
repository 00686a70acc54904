// In through an identity provider and out again, with a real one: at another site, in a process of its own.
import type { Page } from '@playwright/test';
import { accessible, expect, live, row, shot, STILL, test as base } from './fixtures.ts';
import { Hnp } from './hnp.ts';
import { Provider } from './provider.ts';

const LIST = '/f/demo/switches?q=leaf';

const test = base.extend<{ provider: Provider }>({
  provider: async ({}, use) => {
    const provider = await Provider.start();
    await use(provider);
    await provider.stop();
  },

  hnp: async ({ provider }, use, info) => {
    const hnp = await Hnp.start({ command: 'demo', args: STILL, listen: `127.0.0.1:${provider.hnpPort}`, env: provider.env });
    await use(hnp);
    if (info.status !== info.expectedStatus) await info.attach('hnp.log', { body: hnp.log, contentType: 'text/plain' });
    await hnp.stop();
  },
});

// What the browser says of an answer that refuses, of a link that ended, and that it was at the provider's.
test.use({ user: '', consoleAllow: /Failed to load resource|WebSocket connection to|foreign origin: http:\/\/localhost:/ });

/** From the door to the provider, as somebody. */
async function go(page: Page, provider: Provider, account: string): Promise<void> {
  await page.getByRole('link', { name: `Sign in with ${provider.host}` }).click();
  await expect(page).toHaveURL(new RegExp(`^${provider.issuer}/`));
  await page.getByLabel('Account').fill(account);
  await page.getByRole('button', { name: 'Go on' }).click();
}

/** Who the browser is now, by the server's word. */
async function who(page: Page): Promise<{ user: string; roles: string[] }> {
  const { user, roles } = await (await page.request.get('/api/v1/session')).json() as { user: string; roles: string[] };
  return { user, roles };
}

/** The whole journey: in to where one wanted to go, out here, out there. */
async function thereAndBack(page: Page, provider: Provider): Promise<void> {
  await page.goto(LIST);
  await go(page, provider, 'ann');
  await page.getByRole('button', { name: 'Allow' }).click();
  await expect(page).toHaveURL(/\/f\/demo\/switches\?q=leaf$/);
  await expect(row(page, 'Switch', 'leaf-01')).toBeVisible();
  expect(await who(page)).toEqual({ user: 'ann', roles: ['operator:demo'] });

  await page.goto('/account');
  await expect(page.getByText(`Your roles follow from the claim groups of ${provider.host}`)).toBeVisible();
  await page.getByRole('main').getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('status')).toContainText(`You may still be signed in at ${provider.host}`);
  expect((await page.request.get('/api/v1/session')).status()).toBe(401);
  await page.getByRole('link', { name: `Sign out at ${provider.host}, too` }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await expect(page).toHaveURL(/\/login(\?|$)/);
  // There, too: it asks who one is.
  await page.getByRole('link', { name: `Sign in with ${provider.host}` }).click();
  await expect(page.getByLabel('Account')).toBeVisible();
}

test('in through the provider with the role that a group gives, and out at both', async ({ page, provider }) => {
  await thereAndBack(page, provider);
});

test('what goes wrong is said at the door, where passwords work all the same', async ({ page, provider }) => {
  await page.goto(LIST);
  await go(page, provider, 'ann');
  await page.getByRole('button', { name: 'Deny' }).click();
  await expect(page.getByRole('alert')).toContainText('the person said no');
  await expect(page).toHaveURL(/\/login\/oidc\/callback/);
  await accessible(page);
  // A page that is loaded again says that this attempt is over.
  await page.reload();
  await expect(page.getByRole('alert')).toContainText('not begun in this browser');

  // Their name at the provider is that of an account here: it is not theirs.
  await page.context().clearCookies();
  await page.goto('/login');
  await go(page, provider, 'mallory');
  await page.getByRole('button', { name: 'Allow' }).click();
  await expect(page.getByRole('alert')).toContainText('the name operator belongs to an account here');
  await shot(page, 'oidc-taken');
  await page.getByLabel('User name').fill('operator');
  await page.getByLabel('Password', { exact: true }).fill('hnp-demo');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).toHaveURL(/127\.0\.0\.1:\d+\/$/);
  await live(page);
});

test('without a role one is told so, and an admin sees who decides about roles', async ({ page, hnp, provider }) => {
  await page.goto('/login');
  await go(page, provider, 'bob');
  await page.getByRole('button', { name: 'Allow' }).click();
  await expect(page).toHaveURL(/\/account$/);
  await expect(page.getByRole('main')).toContainText('No role yet: no fabric can be seen');
  await expect(page.getByRole('main')).toContainText('ask who manages your groups there');
  await accessible(page);
  await shot(page, 'oidc-no-role');
  await page.goto('/');
  await live(page);
  await expect(page.getByRole('main')).toContainText('No fabric to see');
  await expect(page.getByRole('main')).not.toContainText('demo-');

  await page.context().clearCookies();
  await page.context().addCookies((await hnp.signIn('admin')).cookies);
  await page.goto('/settings/users/bob');
  await expect(page.getByRole('note')).toContainText(`Their roles follow from the claim groups of ${provider.host}`);
  await accessible(page);
  await shot(page, 'oidc-user');
  await page.goto('/audit?act=sign-in');
  await expect(page.getByRole('main')).toContainText(`by the identity provider: ${provider.issuer} bob`);
});

test('a provider that is away is said at the door', async ({ page, provider }) => {
  await provider.stop();
  await page.goto('/login');
  await page.getByRole('link', { name: `Sign in with ${provider.host}` }).click();
  await expect(page.getByRole('alert')).toContainText(`cannot reach ${provider.host}: connection refused`);
  await accessible(page);
  await shot(page, 'oidc-away');
});

for (const [name, colorScheme, width] of [['light', 'light', 1440], ['dark', 'dark', 1440], ['narrow', 'light', 390]] as const) {
  test(`the door offers both ways in: ${name}`, async ({ page, provider }) => {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme });
    await page.goto('/login');
    await expect(page.getByRole('link', { name: `Sign in with ${provider.host}` })).toBeVisible();
    await accessible(page);
    await shot(page, `oidc-door-${name}`);
  });
}

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('in and out all the same', async ({ page, provider }) => {
    await thereAndBack(page, provider);
  });
});
