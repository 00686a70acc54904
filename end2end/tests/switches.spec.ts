import { expect, live, shot, test } from './fixtures.ts';
import { SWITCHES } from './cluster.ts';
import { mutations, watchMutations } from './mutations.ts';

const LIST = '/f/demo/switches';

test('the list of switches is in the HTML that the server sends', async ({ context, cluster }) => {
  const names = (await cluster.list(SWITCHES)).map(({ metadata }) => metadata.name);
  expect(names).toHaveLength(7);

  const html = await (await context.request.get(LIST)).text();
  const rows = [...html.matchAll(/<tr\b[^>]*>/g)].map(([tag]) => tag).filter((tag) => tag.includes('data-kind="Switch"'));
  for (const name of names) {
    expect(rows.filter((tag) => tag.includes(`data-key="default/${name}"`)), name).toHaveLength(1);
  }
  expect(rows).toHaveLength(names.length);
});

test('a change in the cluster changes its row and nothing else, without a reload', async ({ page, cluster }) => {
  const name = (await cluster.list(SWITCHES))[0]?.metadata.name ?? '';
  await page.goto(LIST);
  await live(page);
  const rows = page.locator('tr[data-kind="Switch"]');
  await expect(rows).toHaveCount(7);
  const row = page.locator(`tr[data-kind="Switch"][data-key="default/${name}"]`);
  const description = row.locator('[data-col="description"]');

  const words = 'Moved to rack 9 while somebody looks';
  await expect(description).not.toHaveText(words);
  // The counter lives in the page: a reload would wipe it out, and `mutations` would say so.
  await watchMutations(page, { within: 'main', inside: `[data-key="default/${name}"]` });
  await cluster.patch(SWITCHES, name, { spec: { description: words } });

  await expect(description).toContainText(words);
  const seen = await mutations(page);
  expect(seen.inside, 'the observer sees the change').toBeGreaterThan(0);
  expect(seen.examples).toEqual([]);
  expect(seen.outside).toBe(0);
  await expect(rows).toHaveCount(7);
  await shot(page, 'switches');
});
