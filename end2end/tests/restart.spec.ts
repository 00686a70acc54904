// The server ends without a word and another one starts on its data: what was recorded is still there, what happened
// meanwhile is found and said to be found, nothing comes twice; and a database that fails is said to fail.
import type { APIRequestContext, Page } from '@playwright/test';
import { expect, linkFact, live, pill, row, shot, test, unreloaded } from './fixtures.ts';
import { Diary } from './diary.ts';
import { Hnp, runToEnd, type Sim } from './hnp.ts';
import { named } from './kinds.ts';
import { CHANGED, Load } from './load.ts';

const SWITCH = named('Switch');
const VLANS = named('VLANNamespace');
const OBJECT = `/f/demo/switches/default/${CHANGED}`;
const LIST = '/f/demo/vlannamespaces';
/** From the new server's being ready to a page that is live. */
const LIVE_WITHIN_MS = 5_000;
/** Whoever recorded before ended without a word: his right to record must run out first. */
const RECORDS = { timeout: 60_000 };

const vlans = (name: string): object => ({
  apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, spec: { ranges: [{ from: 3_000, to: 3_099 }] },
});

test.use({ apart: true, consoleAllow: /WebSocket connection to|net::ERR_|status of 503/ });
test.describe.configure({ timeout: 240_000 });

function again(hnp: Hnp, sim: Sim | undefined): Promise<Hnp> {
  const args = ['--kubeconfig', sim?.kubeconfig ?? '', '--name', 'demo'];
  return Hnp.start({ command: 'serve', args, listen: new URL(hnp.url).host, home: hnp.home });
}

/** The entries of an object's history that say this. */
function history(page: Page, text: string) {
  return page.locator('.history li').filter({ has: page.locator('ins', { hasText: new RegExp(`^${text}$`) }) });
}

/** The entries of a feed that say this. */
function feed(page: Page, text: string) {
  return page.locator('.feed-entry').filter({ hasText: text });
}

test('after kill -9 and a restart history and feed go on: nothing gone, nothing twice, and what nobody saw is said to be found', async ({ context, hnp, sim, cluster }) => {
  const [object, overview, list] = [await context.newPage(), await context.newPage(), await context.newPage()];
  await object.goto(OBJECT);
  await overview.goto('/');
  await list.goto(LIST);
  const same = [];
  for (const page of [object, overview, list]) {
    await live(page);
    same.push(await unreloaded(page));
  }
  await cluster.create(VLANS, vlans('before'));
  await cluster.patch(SWITCH, CHANGED, { spec: { description: 'before the crash' } });
  await expect(history(object, 'before the crash')).toHaveCount(1);
  await expect(feed(overview, 'default/before created')).toHaveCount(1);
  await recorded(context.request, hnp, 'before the crash');

  await hnp.kill();
  for (const page of [object, overview, list]) await expect(pill(page)).toHaveAttribute('data-live', 'reconnecting');
  await cluster.patch(SWITCH, CHANGED, { spec: { description: 'while nobody looked' } });
  await cluster.create(VLANS, vlans('meanwhile'));
  await cluster.remove(VLANS, 'before');

  const next = await again(hnp, sim);
  try {
    for (const page of [object, overview, list]) await live(page);
    await expect(row(list, VLANS.kind, 'meanwhile')).toBeVisible();
    await expect(row(list, VLANS.kind, 'before')).toHaveCount(0);
    await expect(history(object, 'while nobody looked')).toHaveCount(1, RECORDS);
    await expect(history(object, 'while nobody looked')).toContainText('seen after downtime');
    await expect(history(object, 'before the crash')).toHaveCount(1);
    await expect(history(object, 'before the crash')).not.toContainText('seen after downtime');
    await expect(feed(overview, 'default/before deleted')).toContainText('seen after downtime', RECORDS);
    await expect(feed(overview, 'default/meanwhile created')).toContainText('seen after downtime');
    await expect(feed(overview, 'default/before created')).toHaveCount(1);
    await expect(feed(overview, 'recording stopped without warning')).toHaveCount(1);
    // Positions that the killed process passed over are no events.
    await expect(overview.locator('.feed-gap')).toHaveCount(0);

    // It goes on, and a page that is opened now is told the same.
    await cluster.patch(SWITCH, CHANGED, { spec: { description: 'afterwards' } });
    await expect(history(object, 'afterwards')).toHaveCount(1);
    await recorded(context.request, next, 'afterwards');
    const fresh = await context.newPage();
    await fresh.goto(OBJECT);
    await live(fresh);
    for (const page of [object, fresh]) {
      for (const text of ['before the crash', 'while nobody looked', 'afterwards']) await expect(history(page, text), text).toHaveCount(1);
      const told = await page.locator('.history li ins').allInnerTexts();
      expect(told.filter((text) => /crash|looked|afterwards/.test(text)), 'newest first').toEqual(['afterwards', 'while nobody looked', 'before the crash']);
    }
    await fresh.goto('/');
    await live(fresh);
    for (const page of [overview, fresh]) {
      for (const text of ['default/before created', 'default/before deleted', 'default/meanwhile created']) await expect(feed(page, text), text).toHaveCount(1);
    }
    await shot(overview, 'restart-overview');
    await shot(object, 'restart-object');
    for (const page of [object, overview, list]) {
      expect(await linkFact(page, 'Resumes')).toBe('1');
      expect(await linkFact(page, 'Lost')).toBe('0');
    }
    for (const check of same) await check();
  } finally {
    await next.stop({ keepHome: true });
  }
});

test('kill -9 under load: live again within 5 s of the new server, every change known, none twice', async ({ context, hnp, sim, cluster }) => {
  const [object, list] = [await context.newPage(), await context.newPage()];
  const diary = await Diary.keep(object);
  await object.goto(OBJECT);
  await list.goto(LIST);
  for (const page of [object, list]) await live(page);
  const load = Load.begin(cluster, 200);
  await expect.poll(() => load.steps).toBeGreaterThan(10);
  await hnp.kill();
  const place = diary.now;
  const next = await again(hnp, sim);
  try {
    const ready = performance.now();
    const back = await diary.reaches('live', 'ws', place);
    console.log(`killed under load: live ${Math.round(back.at - ready)} ms after the new server was seen to be ready`);
    expect(back.at - ready).toBeLessThan(LIVE_WITHIN_MS);
    await load.stop(40);
    console.log(load.summary);
    await load.hasReached(object);
    await load.listIsRight(list);
    expect(await linkFact(object, 'Lost')).toBe('0');
    // Changes of the moments without a server were seen as one: none is told twice, the newest is told.
    await expect(history(object, `change ${load.steps - 1}`)).toHaveCount(1, RECORDS);
    const told = (await object.locator('.history li ins').allInnerTexts()).filter((text) => /^change \d+$/.test(text)).map((text) => Number(text.slice(7)));
    expect(told, 'once each, newest first').toEqual([...new Set(told)].sort((a, b) => b - a));
    // Now that it records again, each further change is told by itself.
    for (const text of ['one more', 'and another']) await cluster.patch(SWITCH, CHANGED, { spec: { description: text } });
    for (const text of ['one more', 'and another']) await expect(history(object, text), text).toHaveCount(1);
  } finally {
    await next.stop({ keepHome: true });
  }
});

test('a database that takes no more records is said to fail, while pages stay live, and recording goes on when it can', async ({ context, hnp, cluster }) => {
  const [object, overview] = [await context.newPage(), await context.newPage()];
  await object.goto(OBJECT);
  await overview.goto('/');
  for (const page of [object, overview]) await live(page);
  await cluster.patch(SWITCH, CHANGED, { spec: { description: 'with space' } });
  await recorded(context.request, hnp, 'with space');
  const failing = overview.locator('[data-fabric="demo"] [data-records="not recorded"]');
  await expect(failing).toHaveCount(0);

  hnp.limitFiles(1_024);
  await cluster.patch(SWITCH, CHANGED, { spec: { description: 'without space' } });
  await expect(object.locator('.yaml'), 'pages do not wait for records').toContainText('description: without space');
  await expect(failing).toContainText(/History not recorded (for|since) .+: \w{4,}/, RECORDS);
  await shot(overview, 'restart-records-failing');

  hnp.limitFiles(undefined);
  await expect(overview.locator('[data-records]')).toHaveCount(0, RECORDS);
  await expect(feed(overview, 'recording works again')).toHaveCount(1);
  await recorded(context.request, hnp, 'without space');
  const fresh = await context.newPage();
  await fresh.goto(OBJECT);
  await live(fresh);
  for (const page of [object, fresh]) {
    for (const text of ['with space', 'without space']) await expect(history(page, text), text).toHaveCount(1);
  }
});

test.describe('a database that cannot be opened', () => {
  test.use({ apart: false, bare: true });

  test('ends the server with what failed, why, and what to do', async () => {
    const { code, output } = await runToEnd(['serve', '--listen', '127.0.0.1:0'], { HNP_DATABASE_URL: 'sqlite:///dev/null/hnp.db' });
    console.log(output.trim().split('\n').at(-1));
    expect(code).not.toBe(0);
    expect(output).toMatch(/error: .*\/dev\/null\/hnp\.db.*; cause: \w.+; try: \w.+/);
  });
});

/** Waits until the server says over HTTP that it recorded a change of the switch with this text. */
async function recorded(request: APIRequestContext, hnp: Hnp, text: string): Promise<void> {
  await expect.poll(async () => {
    const answer = await request.get(`${hnp.url}/api/v1/fabrics/demo/objects/Switch/default/${CHANGED}/history`);
    return (await answer.text()).includes(text);
  }, `"${text}" is recorded`).toBe(true);
}
