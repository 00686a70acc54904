// The page was away: frozen in the background for ten minutes, asleep with the machine, cut off from the network,
// left and restored. When it is back it is live and right within 3 s.
import { expect, test as base } from './fixtures.ts';
import type { Cluster } from './cluster.ts';
import { named } from './kinds.ts';
import { Tab } from './tab.ts';

const SWITCH = named('Switch');
const LIST = '/f/demo/switches';
const AWAY_MS = 10 * 60_000;
/** Live and right after the return. */
const BACK_WITHIN_MS = 3_000;
/** A machine that wakes up has its timers fire at once; a clock that is moved is noticed by the next tick only. */
const TICK_MS = 1_000;

const test = base.extend<{ tab: Tab }>({
  tab: async ({ browser, hnp }, use, info) => {
    const tab = await Tab.open(browser, await hnp.signIn());
    await use(tab);
    if (info.status !== info.expectedStatus) {
      const shown = await tab.send<{ data: string }>('Page.captureScreenshot').catch(() => undefined);
      if (shown !== undefined) await info.attach('tab.png', { body: Buffer.from(shown.data, 'base64'), contentType: 'image/png' });
    }
    await tab.close();
  },
});

test.use({ viaProxy: true });

/** What happens while nobody looks: the tab will have to show it. */
async function meanwhile(tab: Tab, cluster: Cluster, text: string): Promise<void> {
  await cluster.patch(SWITCH, 'leaf-03', { spec: { description: text } });
  await tab.lookAnew(`tr[data-key="default/leaf-03"]`, text);
}

async function nothingLost(tab: Tab): Promise<void> {
  expect(await tab.fact('Lost')).toBe('0');
}

for (const [what, act] of [
  ['the server cut the connection', 'cut'],
  ['the network forgot the connection', 'strand'],
] as const) {
  test(`a tab frozen for 10 minutes in which ${what} is live and right within 3 s of its return`, async ({ tab, line, cluster, baseURL }) => {
    await tab.goto(`${baseURL}${LIST}`);
    await tab.live();
    await tab.hide(true);
    await tab.freeze(true);
    line[act]();
    await meanwhile(tab, cluster, `frozen, ${act}`);
    await tab.moveClock(AWAY_MS);
    await tab.freeze(false);
    await tab.hide(false);
    const { took, story } = await tab.returned('resume');
    console.log(`frozen for 10 minutes, ${what}: live and right ${took} ms after the return (${story})`);
    expect(took).toBeLessThan(BACK_WITHIN_MS);
    await nothingLost(tab);
  });
}

test('a machine that slept for 10 minutes and was forgotten by the network is noticed by its clock', async ({ tab, line, cluster, baseURL }) => {
  await tab.goto(`${baseURL}${LIST}`);
  await tab.live();
  line.strand();
  await meanwhile(tab, cluster, 'asleep');
  const woke = await tab.time();
  await tab.moveClock(AWAY_MS);
  const { took, story } = await tab.returned(woke);
  console.log(`clock moved by 10 minutes: live and right after ${took} ms (${story})`);
  expect(took).toBeLessThan(BACK_WITHIN_MS + TICK_MS);
  await nothingLost(tab);
});

test('a clock that is set back by an hour stops nothing', async ({ tab, cluster, baseURL }) => {
  await tab.goto(`${baseURL}${LIST}`);
  await tab.live();
  const moved = await tab.time();
  await tab.moveClock(-60 * 60_000);
  await meanwhile(tab, cluster, 'an hour ago');
  const { took, story } = await tab.returned(moved);
  console.log(`clock set back by an hour: a change is shown after ${took} ms (${story})`);
  expect(took).toBeLessThan(BACK_WITHIN_MS + TICK_MS);
  await nothingLost(tab);
});

test('a network that goes silently and comes back, as the browser knows it: live and right within 3 s', async ({ tab, line, cluster, baseURL }) => {
  await tab.goto(`${baseURL}${LIST}`);
  await tab.live();
  await line.become('swallow');
  await tab.offline(true);
  line.strand();
  await meanwhile(tab, cluster, 'out of reach');
  await line.become('pass');
  await tab.offline(false);
  const { took, story } = await tab.returned('online');
  console.log(`network away and back: live and right ${took} ms after the browser said so (${story})`);
  expect(took).toBeLessThan(BACK_WITHIN_MS);
  await nothingLost(tab);
});

test('a hidden tab whose network was changed under it is live and right within 3 s of being looked at', async ({ tab, line, cluster, baseURL }) => {
  await tab.goto(`${baseURL}${LIST}`);
  await tab.live();
  await tab.hide(true);
  line.strand();
  await meanwhile(tab, cluster, 'behind your back');
  await tab.hide(false);
  const { took, story } = await tab.returned('visible');
  console.log(`hidden, network changed: live and right ${took} ms after it was looked at (${story})`);
  expect(took).toBeLessThan(BACK_WITHIN_MS);
  await nothingLost(tab);
});

test('a tab that stays hidden resumes by itself', async ({ tab, line, cluster, baseURL }) => {
  await tab.goto(`${baseURL}${LIST}`);
  await tab.live();
  await tab.hide(true);
  line.cut();
  await meanwhile(tab, cluster, 'nobody looks');
  const { took, story } = await tab.returned(await tab.time());
  console.log(`hidden and cut: live and right again (${story})`);
  expect(took).toBeLessThan(30_000);
  await nothingLost(tab);
});

test('a tab thawed while it is still hidden resumes', async ({ tab, line, cluster, baseURL }) => {
  await tab.goto(`${baseURL}${LIST}`);
  await tab.live();
  await tab.hide(true);
  await tab.freeze(true);
  line.cut();
  await meanwhile(tab, cluster, 'thawed in the dark');
  await tab.moveClock(AWAY_MS);
  await tab.freeze(false);
  const { took, story } = await tab.returned('resume');
  console.log(`thawed while hidden: live and right after ${took} ms (${story})`);
  expect(took).toBeLessThan(BACK_WITHIN_MS + TICK_MS);
  await nothingLost(tab);
});
