// The door: in by name and password, to where one wanted to go, and out again.
import type { Page } from '@playwright/test';
import { accessible, expect, live, pill, row, shot, test } from './fixtures.ts';

const LIST = '/f/demo/switches?q=leaf';

test.use({ user: '', consoleAllow: /status of 401|WebSocket connection to/ });

async function submit(page: Page, user: string, password: string): Promise<void> {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('who is led to the door gets in by name and password, and to where they wanted to go', async ({ page }) => {
  await page.goto(LIST);
  await expect(page).toHaveURL(/\/login\?next=/);
  await expect(page.getByText('leaf-01')).toHaveCount(0);
  await accessible(page);
  await shot(page, 'door');
  await submit(page, 'operator', 'not the password');
  await expect(page.getByRole('alert')).toContainText('wrong');
  await expect(page.getByLabel('User name')).toHaveValue('operator');
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue('');
  await accessible(page);
  await submit(page, 'Operator', 'hnp-demo');
  await expect(page).toHaveURL(/\/f\/demo\/switches\?q=leaf$/);
  await live(page);
  await expect(row(page, 'Switch', 'leaf-01')).toBeVisible();
});

test('no address leads from the door to another site', async ({ page, baseURL }) => {
  for (const next of ['https://evil.example/', '//evil.example/', '/\\evil.example/', 'javascript:alert(1)']) {
    await page.context().clearCookies();
    await page.goto(`/login?next=${encodeURIComponent(next)}`);
    await submit(page, 'viewer', 'hnp-demo');
    await expect(page).toHaveURL(`${baseURL}/`);
  }
});

test('signing out in one tab ends the link of another, which is led to the door', async ({ page, hnp, baseURL }) => {
  await page.context().addCookies((await hnp.signIn('viewer')).cookies);
  await page.goto(LIST);
  await live(page);
  const out = await page.request.post('/logout', { headers: { origin: baseURL ?? '' }, maxRedirects: 0 });
  expect(out.status()).toBe(303);
  await expect(pill(page)).not.toHaveAttribute('data-live', 'live');
  await page.goto(LIST);
  await expect(page).toHaveURL(/\/login\?next=/);
});

test.describe('without scripts', () => {
  test.use({ javaScriptEnabled: false });

  test('one gets in all the same', async ({ page }) => {
    await page.goto(LIST);
    await submit(page, 'viewer', 'hnp-demo');
    await expect(page).toHaveURL(/\/f\/demo\/switches\?q=leaf$/);
    await expect(page.locator('tr[data-key="default/leaf-01"]')).toBeVisible();
  });
});
