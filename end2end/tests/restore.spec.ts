// The page was left and is restored: by the browser from its memory where it keeps pages, else by loading it anew.
// Playwright switches the browser's memory of pages off; this file has it on, and a browser of its own for that.
import { expect, test } from './fixtures.ts';
import config from '../playwright.config.ts';
import { named } from './kinds.ts';
import { Tab } from './tab.ts';
import { until } from './until.ts';

const SWITCH = named('Switch');
const LIST = '/f/demo/switches';
const BACK_WITHIN_MS = 3_000;

test.use({
  viaGate: true,
  launchOptions: { ...config.use?.launchOptions, ignoreDefaultArgs: ['--disable-back-forward-cache'] },
});

const ROW = 'tr[data-key="default/leaf-03"]';
/** What just began in a page keeps the browser from keeping it: so often is it tried. */
const TRIES = 5;

test('a page that the browser kept in its memory is live and right within 3 s of going back', async ({ browser, gate, cluster, hnp }) => {
  // Pages say `no-store`, with which this browser keeps none that has a WebSocket; others may.
  gate.cachePages('no-cache');
  const tab = await Tab.open(browser, await hnp.signIn());
  await tab.goto(`${gate.url}${LIST}`);
  for (let tries = 1; ; tries += 1) {
    await tab.live();
    const text = `left for the ${tries}. time`;
    await until('the page has settled', 30_000, async () => await tab.evaluate<number>('performance.now()') > 2_000);
    await tab.goto('about:blank');
    await cluster.patch(SWITCH, 'leaf-03', { spec: { description: text } });
    await tab.back();
    const wasRestored = await tab.evaluate<boolean>(`hnpNotes.events.some(({ name }) => name === 'restored')`);
    if (!wasRestored && tries < TRIES) continue;
    await tab.look(ROW, text);
    const { took, story } = await tab.returned('restored');
    console.log(`left and restored from memory: live and right after ${took} ms (${story})`);
    expect(took).toBeLessThan(BACK_WITHIN_MS);
    expect(await tab.fact('Lost')).toBe('0');
    break;
  }
  await tab.close();
});

test('a page that was left is live and right within 3 s of going back, loaded anew', async ({ browser, gate, cluster, hnp }) => {
  const tab = await Tab.open(browser, await hnp.signIn());
  await tab.goto(`${gate.url}${LIST}`);
  await tab.live();
  await tab.goto('about:blank');
  await cluster.patch(SWITCH, 'leaf-03', { spec: { description: 'left' } });
  await tab.back();
  await tab.look(ROW, 'left');
  const { took, story } = await tab.returned(0);
  console.log(`left and loaded anew: live and right after ${took} ms (${story})`);
  expect(took).toBeLessThan(BACK_WITHIN_MS);
  expect(await tab.fact('Lost')).toBe('0');
  await tab.close();
});
