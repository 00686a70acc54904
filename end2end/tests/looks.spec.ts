// How it looks and how it is used without a mouse: axe on every page and state, in every theme and width;
// pictures for people under .out/shots; keys; and nothing moves when the page wakes up.
import type { Page } from '@playwright/test';
import { accessible, expect, live, pill, row, rows, shot, test } from './fixtures.ts';

const PAGES = [
  ['overview', '/'],
  ['fabric', '/f/demo'],
  ['list', '/f/demo/connections'],
  ['list-filtered', '/f/demo/switches?q=leaf&labels=&col.role=server-leaf'],
  ['list-no-match', '/f/demo/vpcs?q=nothing-like-this'],
  ['list-empty', '/f/demo/gatewayagents'],
  ['object', '/f/demo/switches/default/leaf-01'],
  ['object-vpc', '/f/demo/vpcattachments'],
  ['not-found', '/nowhere'],
  ['no-object', '/f/demo/switches/default/nobody'],
] as const;
const WIDTHS = [1440, 390] as const;
const THEMES = ['light', 'dark', 'contrast'] as const;

test.use({ hnpArgs: '--faults', consoleAllow: /status of 404/ });
test.describe.configure({ timeout: 240_000 });

async function theme(page: Page, theme: (typeof THEMES)[number]): Promise<void> {
  await page.evaluate((theme) => {
    localStorage.setItem('hnp.theme', theme);
    document.documentElement.setAttribute('data-theme', theme);
  }, theme);
  await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
}

/** The document is as large as the window: only what is inside of the frame scrolls. */
async function fits(page: Page, what: string): Promise<void> {
  const over = await page.evaluate(() => {
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
    return { sideways: scrollWidth - clientWidth, down: scrollHeight - clientHeight };
  });
  expect(over, `the document of ${what} does not scroll`).toEqual({ sideways: 0, down: 0 });
}

for (const width of WIDTHS) {
  test(`every page is accessible in every theme at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 900 });
    for (const [name, path] of PAGES) {
      await page.goto(path);
      await live(page);
      for (const chosen of THEMES) {
        await theme(page, chosen);
        await fits(page, `${name} at ${width}`);
        await accessible(page);
        await shot(page, `looks-${name}-${width}-${chosen}`);
      }
    }
  });

  test(`a cluster that is away is accessible in every theme at ${width} px`, async ({ page, cluster }) => {
    await page.setViewportSize({ width, height: 900 });
    await page.goto('/');
    await live(page);
    await cluster.fault({ fault: 'answer_all', with: 'server_error' });
    await expect(page.locator('[data-fabric="demo"]')).toHaveAttribute('data-connectivity', 'disconnected', { timeout: 60_000 });
    for (const [name, path] of [['overview', '/'], ['fabric', '/f/demo'], ['list', '/f/demo/switches']] as const) {
      await page.goto(path);
      await live(page);
      for (const chosen of THEMES) {
        await theme(page, chosen);
        await fits(page, `${name} at ${width}`);
        await accessible(page);
        await shot(page, `looks-away-${name}-${width}-${chosen}`);
      }
    }
  });
}

test('popovers and the drawer are accessible', async ({ page }) => {
  await page.goto('/');
  await live(page);
  for (const [name, open] of [
    ['pill', () => pill(page).click()],
    ['notifications', () => page.getByRole('button', { name: /Notifications/ }).click()],
    ['keys', () => page.keyboard.press('?')],
  ] as const) {
    await open();
    await expect(page.locator(':popover-open')).toHaveCount(1);
    await accessible(page);
    await shot(page, `looks-pop-${name}`);
    await page.keyboard.press('Escape');
    await expect(page.locator(':popover-open')).toHaveCount(0);
  }
  await page.setViewportSize({ width: 390, height: 900 });
  await page.getByRole('button', { name: 'Menu' }).click();
  await expect(page.locator('.rail')).toBeVisible();
  await accessible(page);
  await shot(page, 'looks-drawer');
  await page.locator('.rail a[href="/f/demo/vpcs"]').click();
  await expect(page).toHaveURL(/vpcs$/);
  await expect(page.locator('.rail:popover-open')).toHaveCount(0);
});

test.describe('a server without a fabric', () => {
  test.use({ bare: true });

  test('says how to get one', async ({ page }) => {
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto('/');
      await live(page);
      await expect(page.getByRole('main')).toContainText('No fabric to see');
      await expect(page.getByRole('main')).toContainText('hnp serve --kubeconfig');
      for (const chosen of THEMES) {
        await theme(page, chosen);
        await fits(page, `no fabric at ${width}`);
        await accessible(page);
        await shot(page, `looks-no-fabric-${width}-${chosen}`);
      }
    }
  });
});

test('all of it works with the keyboard alone', async ({ page }) => {
  await page.goto('/');
  await live(page);
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(page).toHaveURL(/\/f\/demo\/switches$/);
  await expect(rows(page, 'Switch')).toHaveCount(7);

  await page.keyboard.press('/');
  await expect(page.locator('input[name="q"]')).toBeFocused();
  await page.keyboard.type('spine');
  await expect(rows(page, 'Switch')).toHaveCount(2);
  await page.keyboard.press('Escape');
  await expect(page.locator('input[name="q"]')).not.toBeFocused();
  await expect(rows(page, 'Switch'), 'the filter stays').toHaveCount(2);
  for (const [key, at] of [['j', 0], ['j', 1], ['k', 0]] as const) {
    await page.keyboard.press(key);
    await expect(rows(page, 'Switch').nth(at).locator('td[data-col="name"] a')).toBeFocused();
  }
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/switches\/default\/spine-01$/);
  await expect(page.locator('.yaml')).toContainText('name: spine-01');

  await page.keyboard.press('?');
  await expect(page.locator('#keys')).toBeVisible();
  await expect(page.locator('#keys')).toContainText('Filter this list');
  await page.keyboard.press('Escape');
  await expect(page.locator('#keys')).toBeHidden();
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  await expect(page).toHaveURL(/\/$/);

  // From the top of a page that was just loaded, the first stop leads past the navigation.
  await page.goto('/f/demo/switches');
  await live(page);
  await page.keyboard.press('Tab');
  await expect(page.locator('.skip')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('main')).toBeFocused();
  // Every stop of the Tab key can be seen.
  for (let stop = 0; stop < 12; stop += 1) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === null || at === document.body) return true;
      const style = getComputedStyle(at);
      return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
    });
    expect(seen, `stop ${stop} of the Tab key shows where it is`).toBe(true);
  }
  await expect(row(page, 'Switch', 'leaf-01')).toBeVisible();
});

for (const [name, path] of [['overview', '/'], ['fabric', '/f/demo'], ['list', '/f/demo/connections'], ['object', '/f/demo/switches/default/leaf-01']] as const) {
  test(`nothing moves when the page wakes up: ${name}`, async ({ page }) => {
    // The client's code waits until the page was measured as the server wrote it.
    let wake: () => void = () => undefined;
    const awake = new Promise<void>((resolve) => { wake = resolve; });
    await page.route(/\.wasm$/, async (route) => {
      await awake;
      await route.continue();
    });
    await page.addInitScript(() => {
      const shifts: string[] = [];
      (window as unknown as { shifts: string[] }).shifts = shifts;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries() as (PerformanceEntry & { value: number; sources?: { node?: Node }[] })[]) {
          const nodes = (entry.sources ?? []).map(({ node }) => node instanceof Element ? `${node.tagName}.${node.className}` : 'a text');
          // An age that becomes a digit longer moves by less than what counts as a shift at all.
          if (entry.value < 0.0001) continue;
          shifts.push(`${entry.value.toFixed(5)} ${nodes.join(', ')}`);
        }
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await page.goto(path, { waitUntil: 'commit' });
    await expect(page.getByRole('main').locator('h1')).toBeVisible();
    await page.evaluate(() => document.fonts.ready);
    const boxes = () => page.evaluate(() => [...document.querySelectorAll('main h1, main h2, main tr, main a, main td, main dt, main dd, .rail a, .topbar button')].map((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return `${element.tagName} ${[x, y, width, height].map(Math.round).join(' ')}`;
    }));
    // Style and the end of the page may still be on their way: measure once nothing changes any more.
    await expect(pill(page)).toHaveAttribute('data-live', 'connecting');
    let before: string[] = [];
    await expect.poll(async () => {
      const last = before;
      before = await boxes();
      const ready = await page.evaluate(() => document.readyState !== 'loading' && getComputedStyle(document.querySelector('.rail') ?? document.body).display !== 'block');
      return ready && before.length > 20 && before.join() === last.join();
    }).toBe(true);
    await expect(pill(page)).toHaveAttribute('data-live', 'connecting');
    wake();
    await live(page);
    const after = await boxes();
    // The page may have news by now, such as an age; what was there is where it was.
    expect(after.filter((box) => !before.includes(box)).slice(0, 10), 'new or moved').toEqual([]);
    expect(before.filter((box) => !after.includes(box)).slice(0, 10), 'gone').toEqual([]);
    expect(await page.evaluate(() => (window as unknown as { shifts: string[] }).shifts), 'layout shifts').toEqual([]);
  });
}
