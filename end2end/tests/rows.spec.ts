// More than 10,000 objects: the page holds a window of rows, and does what it does with ten.
import { expect, live, row, rows, shot, test } from './fixtures.ts';
import { named } from './kinds.ts';
import { mutations, watchMutations } from './mutations.ts';

const CONNECTION = named('Connection');
const LIST = '/f/demo/connections';
/** Most rows that the page may hold at once. */
const WINDOW = 120;

test.use({ hnpArgs: '--scale large' });
test.describe.configure({ timeout: 240_000 });

test('a list of thousands: window, scrolling, filter, order in the address, and a change that touches one row', async ({ page, cluster }) => {
  const names = (await cluster.listAll(CONNECTION)).map(({ metadata }) => metadata.name);
  expect(names.length).toBeGreaterThan(1_000);
  const html = await (await page.request.get(LIST)).text();
  expect([...html.matchAll(/<tr [^>]*data-key=/g)].length, 'the server writes the first rows only').toBeLessThanOrEqual(100);

  await page.goto(LIST);
  await live(page);
  const grouped = new Intl.NumberFormat('en-GB').format(names.length);
  const count = page.locator('[data-count]');
  await expect(count).toHaveText(grouped, { timeout: 60_000 });
  await expect(page.locator('[data-state="loading"]')).toHaveCount(0);
  expect(await rows(page, CONNECTION.kind).count()).toBeLessThan(WINDOW);
  await expect(page.locator('table.list-grid')).toHaveAttribute('aria-rowcount', `${names.length + 1}`);
  await shot(page, 'rows-top');

  // To the end, in steps as a wheel does it: the rows that should be visible are there at each stop.
  const scroller = page.locator('.grid-scroll:has(table.list-grid)');
  const blank = async (): Promise<boolean> => scroller.evaluate((scroller) => {
    const box = scroller.getBoundingClientRect();
    const middle = document.elementFromPoint(box.left + 60, box.top + box.height / 2);
    return middle?.closest('tr[data-key]') === null;
  });
  for (const part of [0.1, 0.35, 0.6, 0.85, 1]) {
    await scroller.evaluate((scroller, part) => { scroller.scrollTop = scroller.scrollHeight * part; }, part);
    await expect.poll(blank, `a row in the middle of the view at ${part}`).toBe(false);
    expect(await rows(page, CONNECTION.kind).count()).toBeLessThan(WINDOW);
  }
  const last = rows(page, CONNECTION.kind).last();
  await expect(last).toBeInViewport();
  await shot(page, 'rows-end');

  // Sorted the other way round, the first is the last; the address holds it, so a reload keeps it.
  const lastKey = await last.getAttribute('data-key');
  const name = page.getByRole('columnheader', { name: 'Name' });
  const sorted = page.locator('th[data-col="name"]');
  await name.getByRole('button').click();
  if (await sorted.getAttribute('aria-sort') !== 'descending') await name.getByRole('button').click();
  await expect(sorted).toHaveAttribute('aria-sort', 'descending');
  await expect(page).toHaveURL(/sort=-name/);
  await scroller.evaluate((scroller) => { scroller.scrollTop = 0; });
  await expect(rows(page, CONNECTION.kind).first()).toHaveAttribute('data-key', lastKey ?? '');
  await page.reload();
  await live(page);
  await expect(sorted).toHaveAttribute('aria-sort', 'descending');
  await expect(rows(page, CONNECTION.kind).first()).toHaveAttribute('data-key', lastKey ?? '');

  // A text finds.
  const wanted = names[Math.floor(names.length / 2)] ?? '';
  await expect(count).toHaveText(grouped, { timeout: 60_000 });
  await page.locator('input[name="q"]').fill(wanted);
  await expect(row(page, CONNECTION.kind, wanted)).toBeVisible();
  await expect(count).toHaveText(new RegExp(`^[\\d,]+ of ${grouped}$`));
  await expect(page).toHaveURL(new RegExp(`q=${wanted}`));
  await page.reload();
  await live(page);
  await expect(row(page, CONNECTION.kind, wanted)).toBeVisible();
  await expect(count).toHaveText(new RegExp(`^[\\d,]+ of ${grouped}$`), { timeout: 60_000 });
  await page.locator('input[name="q"]').fill('no such thing anywhere');
  await expect(page.locator('[data-state="no-match"]')).toContainText(`None of the ${grouped}`);
  await page.locator('.state-panel').getByRole('button', { name: 'Show all' }).click();
  await expect(count).toHaveText(grouped);
});

test('one change among thousands touches one row', async ({ page, cluster }) => {
  await page.goto('/f/demo/servers');
  await live(page);
  const server = named('Server');
  await expect(page.locator('main [data-state="loading"]')).toHaveCount(0);
  const key = await rows(page, server.kind).nth(3).getAttribute('data-key');
  const name = key?.split('/')[1] ?? '';
  await watchMutations(page, { within: 'main', inside: `[data-key="${key}"]` });
  await cluster.patch(server, name, { spec: { description: 'the only one that changed' } });
  await expect(row(page, server.kind, name)).toContainText('the only one that changed');
  const seen = await mutations(page);
  expect(seen.inside).toBeGreaterThan(0);
  expect(seen.examples).toEqual([]);
  expect(seen.outside).toBe(0);
});
