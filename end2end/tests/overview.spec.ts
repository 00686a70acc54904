import { accessible, expect, live, shot, test } from './fixtures.ts';
import { SWITCHES } from './cluster.ts';

test('the overview tells what the demo holds and that it is live', async ({ page, cluster }) => {
  const switches = await cluster.list(SWITCHES);
  expect(switches).toHaveLength(7);

  await page.goto('/');
  await expect(page).toHaveTitle(/HNP/);
  await live(page);
  await expect(page.locator('[data-live]').first()).toHaveAttribute('data-transport', 'ws');
  await expect(page.getByRole('main')).toContainText('demo');
  await expect(page.getByRole('main').locator('[data-kind="Switch"][data-watch="live"] .count')).toHaveText('7');
  await expect(page.locator('[data-state="loading"]')).toHaveCount(0);

  await accessible(page);
  await shot(page, 'overview');
});
