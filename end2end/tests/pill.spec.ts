// The connection pill and its popover: what a person is told about the link, in words and figures that were measured.
import type { Page } from '@playwright/test';
import { accessible, expect, linkFact, live, pill, row, shot, test } from './fixtures.ts';
import { named } from './kinds.ts';

const SWITCH = named('Switch');
const LIST = '/f/demo/switches';

/** The popover. */
function popover(page: Page) {
  return page.locator('#connection');
}

/** The line of a fabric in the popover. */
function fabric(page: Page, name = 'demo') {
  return popover(page).locator('.pop-list li').filter({ hasText: name });
}

test.use({ viaProxy: true, consoleAllow: /WebSocket connection to|net::ERR_/ });

test('it says state, round trip, event to screen, the slowest with where its time went, and each fabric', async ({ page, cluster }) => {
  await page.goto(LIST);
  await live(page);
  await expect(pill(page)).toHaveText(/live · \d+ ms$/);
  await cluster.patch(SWITCH, 'leaf-01', { spec: { description: 'measured' } });
  await expect(row(page, SWITCH.kind, 'leaf-01')).toContainText('measured');
  expect(await linkFact(page, 'Link')).toMatch(/^live · \d+ ms$/);
  const toScreen = await linkFact(page, 'Event to screen');
  expect(toScreen).toMatch(/^\d+ ms$/);
  const slowest = await linkFact(page, 'Slowest of the last hour');
  console.log(`event to screen ${toScreen}; slowest ${slowest}`);
  const parts = /^(\d+) ms: (\d+) watch to hub, (\d+) hub to line, (\d+) network, (\d+) paint$/.exec(slowest)?.slice(1).map(Number) ?? [];
  expect(parts, slowest).toHaveLength(5);
  expect(parts.slice(1).reduce((sum, part) => sum + part, 0), 'the parts are the whole').toBe(parts[0]);
  expect(Number(await linkFact(page, 'Changes'))).toBeGreaterThanOrEqual(1);
  expect(await linkFact(page, 'Resumes')).toBe('0');
  expect(await linkFact(page, 'Lost')).toBe('0');
  await pill(page).click();
  await expect(fabric(page)).toContainText(/last event (just now|\d+ \w+ ago)/);
  await expect(fabric(page), 'nothing measures it without a canary').toContainText('lag not measured · resumes 0 · lost 0');
  await expect(popover(page).getByRole('button', { name: 'Retry now' })).toHaveCount(0);
});

test.describe('with a canary', () => {
  test.use({ hnpEnv: { HNP_CANARY: 'lease' } });

  test('the lag of a fabric is measured', async ({ page }) => {
    await page.goto(LIST);
    await live(page);
    await pill(page).click();
    await expect(fabric(page)).toContainText(/lag \d+ ms/, { timeout: 60_000 });
  });
});

test('while the server is away it counts down and can be told to try now, by the keyboard alone', async ({ page, line }) => {
  await page.goto(LIST);
  await live(page);
  await line.become('refuse');
  line.cut();
  await expect(pill(page)).toHaveAttribute('data-live', 'reconnecting');
  await expect(pill(page)).toHaveText(/reconnecting in \d+ s/);
  await pill(page).focus();
  await page.keyboard.press('Enter');
  await expect(popover(page)).toBeVisible();
  const facts = popover(page).locator('dl');
  await expect(facts).toContainText(/Stale since\s*\d\d:\d\d:\d\d UTC/);
  const retry = popover(page).getByRole('button', { name: 'Retry now' });
  await expect(retry).toBeVisible();
  await line.become('pass');
  await page.keyboard.press('Tab');
  await expect(retry).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(popover(page)).toBeHidden();
  await expect(pill(page), 'the keyboard is where it was').toBeFocused();
  await live(page);
  expect(await linkFact(page, 'Resumes')).toBe('1');
  expect(await linkFact(page, 'Lost')).toBe('0');
  await pill(page).click();
  await expect(fabric(page)).toContainText('resumes 1 · lost 0');
});

for (const width of [1440, 390] as const) {
  test(`live and away, it is accessible and within the window at ${width} px in every theme`, async ({ page, line, cluster }) => {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(LIST);
    await live(page);
    await cluster.patch(SWITCH, 'leaf-01', { spec: { description: 'measured' } });
    await expect(row(page, SWITCH.kind, 'leaf-01')).toContainText('measured');
    await pill(page).click();
    for (const state of ['live', 'away'] as const) {
      if (state === 'away') {
        await line.become('refuse');
        line.cut();
        await expect(popover(page).getByRole('button', { name: 'Retry now' })).toBeVisible();
      }
      for (const theme of ['light', 'dark', 'contrast'] as const) {
        await page.evaluate((theme) => { document.documentElement.setAttribute('data-theme', theme); }, theme);
        await expect(popover(page)).toBeVisible();
        await accessible(page);
        const box = await popover(page).boundingBox();
        expect(box === null ? 'none' : [box.x >= 0, box.y >= 0, box.x + box.width <= width, box.y + box.height <= 900], 'all of it is in the window').toEqual([true, true, true, true]);
        await shot(page, `pill-${state}-${width}-${theme}`);
      }
    }
  });
}

test.describe('where WebSockets are blocked', () => {
  test.use({ viaProxy: false, viaGate: true });

  for (const width of [1440, 390] as const) {
    test(`it says why it is degraded and when the WebSocket is tried next, at ${width} px`, async ({ page, gate }) => {
      await page.setViewportSize({ width, height: 900 });
      gate.rule('ws', 'refuse');
      await page.goto(LIST);
      await expect(pill(page)).toHaveAttribute('data-live', 'degraded');
      await pill(page).click();
      await expect(popover(page).locator('.reason')).toContainText(/does not let WebSockets through\. .*nothing is lost by that\. The WebSocket is (being tried right now|tried again in \d+ s)/);
      await expect(popover(page).getByRole('button', { name: 'Retry now' })).toBeVisible();
      for (const theme of ['light', 'dark', 'contrast'] as const) {
        await page.evaluate((theme) => { document.documentElement.setAttribute('data-theme', theme); }, theme);
        await accessible(page);
        await shot(page, `pill-degraded-${width}-${theme}`);
      }
    });
  }
});
