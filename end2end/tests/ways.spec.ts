// What lies between browser and server refuses, buffers, swallows and cuts: the page is live all the same, by the
// best way that is left, says so, goes back to the WebSocket by itself, and loses nothing on the way.
import type { Page } from '@playwright/test';
import { Diary } from './diary.ts';
import { expect, linkFact, live, pill, shot, test, unreloaded } from './fixtures.ts';
import { CHANGED, Load } from './load.ts';
import { until } from './until.ts';

const OBJECT = `/f/demo/switches/default/${CHANGED}`;
const LIST = '/f/demo/vlannamespaces';
/** A blocked WebSocket: live by a stream this long after the page began to load. */
const STREAM_WITHIN_MS = 6_000;
/** Nothing blocked any more: on the WebSocket within this time. */
const BACK_WITHIN_MS = 60_000;
/** How long the short-lived connections of a test may last. */
const LIFETIME_MS = 4_000;

/** What the browser itself prints about the ways that a test blocks. */
const BLOCKED = /WebSocket connection to|net::ERR_|status of 502 \(Bad Gateway\) \(\S*\/api\/v1\/live\/(sse|poll)/;

test.use({ viaGate: true, consoleAllow: BLOCKED });
test.describe.configure({ timeout: 300_000 });

/** Nothing is lost, by the page's own count. */
async function nothingLost(page: Page): Promise<void> {
  expect(await linkFact(page, 'Lost')).toBe('0');
  await pill(page).click();
  await expect(page.locator('#connection .pop-list')).toContainText('lost 0');
  await page.keyboard.press('Escape');
}

/** The pill by its words. */
async function says(page: Page, text: string): Promise<void> {
  await expect(pill(page)).toHaveText(new RegExp(`${text}$`));
}

for (const [what, rule] of [['refused', 'refuse'], ['buffered', 'hold']] as const) {
  test(`upgrades refused, then the stream ${what}, then nothing: stream, polls, WebSocket, and no change is lost`, async ({ context, gate, cluster }) => {
    const [object, list] = [await context.newPage(), await context.newPage()];
    const diary = await Diary.keep(object);
    gate.rule('ws', 'refuse');
    const load = Load.begin(cluster, 1_000);
    await object.goto(OBJECT);
    const stream = await diary.reaches('degraded', 'sse');
    console.log(`upgrades refused: live by a stream ${Math.round(stream.sincePage)} ms after the page began to load`);
    expect(stream.sincePage).toBeLessThan(STREAM_WITHIN_MS);
    await says(object, 'degraded · SSE');
    await list.goto(LIST);
    await expect(pill(list)).toHaveAttribute('data-transport', 'sse');
    const same = [await unreloaded(object), await unreloaded(list)];
    await load.hasReached(object);

    gate.rule('sse', rule);
    const shut = [diary.now, performance.now()] as const;
    gate.cut('sse');
    const polls = await diary.reaches('degraded', 'poll', shut[0]);
    console.log(`stream ${what}: live by polls after ${Math.round(polls.at - shut[1])} ms`);
    await says(object, 'degraded · polling');
    await expect(pill(list)).toHaveAttribute('data-transport', 'poll');
    await expect(pill(list)).toHaveAttribute('data-live', 'degraded');
    const polled = load.steps;
    await until('changes while polls are all there is', 60_000, () => load.steps >= polled + 5);
    await load.hasReached(object);
    await expect(object.locator('[data-stale]')).toHaveCount(0);

    gate.rule('sse', 'pass');
    gate.rule('ws', 'pass');
    const open = [diary.now, performance.now()] as const;
    const back = await diary.reaches('live', 'ws', open[0]);
    console.log(`unblocked: on the WebSocket after ${Math.round(back.at - open[1])} ms`);
    expect(back.at - open[1]).toBeLessThan(BACK_WITHIN_MS);
    await expect(pill(list)).toHaveAttribute('data-transport', 'ws', { timeout: BACK_WITHIN_MS });
    await live(list);

    await load.stop(60);
    console.log(`${load.summary}; the page saw: ${diary.story()}`);
    await load.allAreOn(object);
    await load.listIsRight(list);
    for (const page of [object, list]) await nothingLost(page);
    for (const check of same) await check();
  });
}

test('upgrades succeed and every frame is swallowed: a stream within 6 s, and back when frames flow', async ({ page, gate, cluster }) => {
  const diary = await Diary.keep(page);
  gate.rule('ws', 'hold');
  await page.goto(OBJECT);
  const stream = await diary.reaches('degraded', 'sse');
  console.log(`frames swallowed: live by a stream ${Math.round(stream.sincePage)} ms after the page began to load`);
  expect(stream.sincePage).toBeLessThan(STREAM_WITHIN_MS);
  const load = Load.begin(cluster, 500);
  const tries = gate.count('ws');
  await until('the WebSocket is tried again while the stream works', 60_000, () => gate.count('ws') > tries);
  expect(diary.since(diary.now - 1).map(({ state, transport }) => `${state} ${transport}`), 'a try that fails is not seen').toEqual(['degraded sse']);
  gate.rule('ws', 'pass');
  await diary.reaches('live', 'ws', diary.now);
  await load.stop(50);
  await load.allAreOn(page);
  await nothingLost(page);
});

for (const [what, act] of [
  ['a person presses "Retry now"', async (page: Page) => {
    await pill(page).click();
    await page.locator('#connection').getByRole('button', { name: 'Retry now' }).click();
    await page.keyboard.press('Escape');
  }],
  ['the browser says that it is online', async (page: Page) => { await page.evaluate(() => { window.dispatchEvent(new Event('online')); }); }],
] as const) {
  test(`the WebSocket is tried at once when ${what}`, async ({ page, gate, cluster }) => {
    const diary = await Diary.keep(page);
    gate.rule('ws', 'refuse');
    await page.goto(OBJECT);
    await diary.reaches('degraded', 'sse');
    // Past the first tries, the next one by itself is far away.
    await until('a wait that is long', 90_000, async () => {
      const text = await page.locator('#connection .reason').textContent();
      const wait = /tried again in (\d+) s/.exec(text ?? '')?.[1];
      return wait !== undefined && Number(wait) > 12;
    });
    gate.rule('ws', 'pass');
    const [place, asked] = [diary.now, performance.now()];
    await act(page);
    const back = await diary.reaches('live', 'ws', place);
    console.log(`${what}: on the WebSocket after ${Math.round(back.at - asked)} ms`);
    expect(back.at - asked).toBeLessThan(6_000);
    expect(diary.since(place).map(({ state, transport }) => `${state} ${transport}`), 'from one to the other without a gap').toEqual(['live ws']);
    const load = Load.begin(cluster, 50);
    await load.stop(5);
    await load.allAreOn(page);
    await nothingLost(page);
  });
}

// Polls that are cut again and again are asked for without waiting: after that nothing lasts long enough to be cut.
for (const [what, blocked, state, transport, cuts] of [
  ['WebSocket', [], 'live', 'ws', 5],
  ['stream', ['ws'], 'degraded', 'sse', 5],
  ['long poll', ['ws', 'sse'], 'degraded', 'poll', 2],
] as const) {
  test(`a proxy that cuts every ${what} after a while: it resumes by the same way and loses nothing`, async ({ page, gate, cluster }) => {
    const diary = await Diary.keep(page);
    for (const way of blocked) gate.rule(way, 'refuse');
    await page.goto(OBJECT);
    await diary.reaches(state, transport);
    const place = diary.now;
    gate.lifetime(transport === 'poll' ? LIFETIME_MS / 2 : LIFETIME_MS);
    gate.cut(transport);
    // A fabric in which little happens, so that polls are held back for long.
    const load = Load.begin(cluster, transport === 'poll' ? 10_000 : 400);
    await until(`${cuts} cuts`, 180_000, () => gate.cuts >= cuts);
    await load.stop(50);
    await expect(pill(page)).toHaveAttribute('data-live', state);
    await load.allAreOn(page);
    console.log(`${what} cut ${gate.cuts} times: ${diary.story(place)}`);
    expect(diary.since(place).filter((entry) => entry.transport !== transport), 'no other way was taken').toEqual([]);
    await nothingLost(page);
    if (transport !== 'poll') expect(Number(await linkFact(page, 'Resumes'))).toBeGreaterThanOrEqual(cuts);
    await shot(page, `ways-cut-${transport}`);
  });
}
