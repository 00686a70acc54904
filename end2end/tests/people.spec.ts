// Accounts as people meet them: an admin makes one, its owner sees what they may and nothing else, changes
// the password, ends a session elsewhere, makes a token. Without a mouse, too.
import type { Page } from '@playwright/test';
import { accessible, expect, live, shot, test } from './fixtures.ts';

const DEMO = 'hnp-demo';
const FIRST = 'four words make one';
const SECOND = 'quite another phrase';

// What the browser itself says about an answer that refuses, or a link that was ended.
test.use({ hnpArgs: '--fabrics 2', user: '', consoleAllow: /Failed to load resource|WebSocket connection/ });

/** Signs somebody in through the form. */
async function signIn(page: Page, user: string, password: string): Promise<void> {
  await page.goto('/login');
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page).not.toHaveURL(/\/login/);
}

/** An admin makes a user who sees one fabric. */
async function makeAnn(page: Page): Promise<void> {
  await signIn(page, 'admin', DEMO);
  await page.goto('/settings/users');
  await page.getByLabel('User name').fill('ann');
  await page.getByLabel('First password').fill(FIRST);
  await page.getByLabel('On demo-2').selectOption('viewer');
  await page.getByRole('button', { name: 'Add user' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The user was made' })).toBeVisible();
}

test('somebody with a role on one fabric sees that one and no trace of the other', async ({ page, browser, hnp }) => {
  await makeAnn(page);
  await accessible(page);
  await shot(page, 'user');
  const theirs = await browser.newContext({ baseURL: hnp.url });
  const ann = await theirs.newPage();
  await signIn(ann, 'ann', FIRST);
  await live(ann);
  await expect(ann.getByRole('main')).toContainText('demo-2');
  const source = await (await ann.request.get('/')).text();
  expect(source.replaceAll('demo-2', '')).not.toMatch(/\bdemo\b/);
  expect((await ann.request.get('/f/demo')).status()).toBe(404);
  expect((await ann.request.get('/settings/users')).status()).toBe(403);
  await theirs.close();
});

test('mistakes are explained beside their fields, and what was typed stays', async ({ page }) => {
  await signIn(page, 'admin', DEMO);
  await page.goto('/settings/users');
  await page.getByLabel('User name').fill('ann smith');
  await page.getByLabel('First password').fill(FIRST);
  await page.getByLabel('On demo-2').selectOption('operator');
  await page.getByRole('button', { name: 'Add user' }).click();
  await expect(page.getByLabel('User name')).toHaveAccessibleDescription(/not a user name/);
  await expect(page.getByLabel('User name')).toHaveValue('ann smith');
  await expect(page.getByLabel('First password')).toHaveValue('');
  await expect(page.getByLabel('On demo-2')).toHaveValue('operator');
  await page.getByLabel('User name').fill('ann');
  await page.getByLabel('First password').fill('short');
  await page.getByRole('button', { name: 'Add user' }).click();
  await expect(page.getByLabel('First password')).toHaveAccessibleDescription(/at least 12/);
  await accessible(page);
});

test('a new password ends the other sessions, and their pages say so', async ({ page, browser, hnp }) => {
  await makeAnn(page);
  const [here, there] = await Promise.all([0, 1].map(() => browser.newContext({ baseURL: hnp.url })));
  const [mine, other] = [await here!.newPage(), await there!.newPage()];
  await signIn(mine, 'ann', FIRST);
  await signIn(other, 'ann', FIRST);
  await live(other);
  await mine.goto('/account');
  await mine.getByLabel('Current password').fill('not this one at all');
  await mine.getByLabel('New password', { exact: true }).fill(SECOND);
  await mine.getByLabel('New password again').fill(SECOND);
  await mine.getByRole('button', { name: 'Change password' }).click();
  await expect(mine.getByLabel('Current password')).toHaveAccessibleDescription(/not your current password/);
  await mine.getByLabel('Current password').fill(FIRST);
  await mine.getByLabel('New password', { exact: true }).fill(SECOND);
  await mine.getByLabel('New password again').fill(SECOND);
  await mine.getByRole('button', { name: 'Change password' }).click();
  await expect(mine.getByRole('status').filter({ hasText: 'The password was changed' })).toBeVisible();
  await expect(mine.getByRole('region', { name: 'Table of sessions' }).getByRole('row')).toHaveCount(2);
  await expect(other.getByText(/signed out|Sign in/i).first()).toBeVisible();
  await here!.close();
  await there!.close();
});

test('a session is ended from another, and its page says so', async ({ page, browser, hnp }) => {
  await signIn(page, 'viewer', DEMO);
  const there = await browser.newContext({ baseURL: hnp.url });
  const other = await there.newPage();
  await signIn(other, 'viewer', DEMO);
  await live(other);
  await page.goto('/account');
  await accessible(page);
  await shot(page, 'account');
  await page.getByRole('button', { name: /^End the session/ }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The session was ended' })).toBeVisible();
  await expect(other.getByText(/signed out|Sign in/i).first()).toBeVisible();
  await there.close();
});

test('a token is shown once, works for a program, and stops when it is revoked', async ({ page, hnp }) => {
  await signIn(page, 'operator', DEMO);
  await page.goto('/settings/tokens');
  await page.getByText('Make a token').click();
  await page.getByLabel('Label').fill('grafana');
  await page.getByLabel('Only the roles chosen below').check();
  await page.getByLabel('On demo-2').selectOption('viewer');
  await page.getByRole('button', { name: 'Make token' }).click();
  const token = await page.locator('#new-token').innerText();
  await accessible(page);
  await shot(page, 'token');
  const ask = () => fetch(`${hnp.url}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } });
  const who = await ask();
  expect([who.status, (await who.json() as { roles: string[] }).roles]).toEqual([200, ['viewer:demo-2']]);
  await page.goto('/settings/tokens');
  expect(await page.content()).not.toContain(token);
  await page.getByRole('button', { name: 'Revoke the token grafana' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'The token was revoked' })).toBeVisible();
  expect((await ask()).status).toBe(401);
});

test('an admin changes roles with the keyboard alone', async ({ page }) => {
  await signIn(page, 'admin', DEMO);
  await page.goto('/settings/users/viewer');
  await page.getByLabel('Everywhere').focus();
  await page.keyboard.press('o');
  await expect(page.getByLabel('Everywhere')).toHaveValue('operator');
  const save = page.getByRole('button', { name: 'Save roles' });
  for (let presses = 0; presses < 10 && !(await save.evaluate((each) => each === document.activeElement)); presses += 1) {
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await expect(page.getByRole('status').filter({ hasText: 'The roles were changed' })).toBeVisible();
  await expect(page.getByLabel('Everywhere')).toHaveValue('operator');
});

for (const scheme of ['light', 'dark'] as const) {
  for (const width of [1440, 390]) {
    test(`the pages of accounts are readable at ${width} px, ${scheme}`, async ({ page }) => {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: scheme });
      await signIn(page, 'admin', DEMO);
      for (const [path, name] of [['/settings/users', 'users'], ['/settings/users/viewer', 'user'], ['/settings/tokens', 'tokens'], ['/account', 'account']] as const) {
        await page.goto(path);
        await accessible(page);
        await shot(page, `${name}-${width}-${scheme}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(wide, `${path} fits`).toBeLessThanOrEqual(0);
      }
    });
  }
}
