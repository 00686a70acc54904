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

for (const [what, caching, event] of [
  // Pages say `no-store`, with which this browser keeps none that has a WebSocket; others may.
  ['restored from the browser\'s memory', 'no-cache', 'restored'],
  ['loaded anew', undefined, 'pageshow'],
] as const) {
  test(`a page that was left and ${what} is live and right within 3 s of going back`, async ({ browser, gate, cluster, hnp }) => {
    void hnp;
    if (caching !== undefined) gate.cachePages(caching);
    const tab = await Tab.open(browser);
    await tab.goto(`${gate.url}${LIST}`);
    await tab.live();
    await tab.goto('about:blank');
    await until('the page is left', 30_000, () => tab.evaluate<boolean>(`location.href === 'about:blank'`));
    await cluster.patch(SWITCH, 'leaf-03', { spec: { description: `left and ${event}` } });
    await tab.back();
    await until('the page is back', 30_000, () => tab.evaluate<boolean>(`location.pathname === '${LIST}'`));
    const events = await tab.evaluate<string[]>('hnpNotes.events.map(({ name }) => name)');
    await tab.look(`tr[data-key="default/leaf-03"]`, `left and ${event}`);
    const { took, story } = await tab.returned(event === 'restored' ? event : 0);
    console.log(`left and back, ${what} (${events.join(', ')}): live and right after ${took} ms (${story})`);
    expect(took).toBeLessThan(BACK_WITHIN_MS);
    expect(await tab.fact('Lost')).toBe('0');
    await tab.close();
  });
}
