// Nothing on screen without an observation behind it: every page, with clusters of which nothing is known.
import type { Page } from '@playwright/test';
import { badge, expect, live, rows, shot, test } from './fixtures.ts';
import type { Fault } from './cluster.ts';
import { ALL, TWELVE, resource } from './kinds.ts';

/** What a page claims that nobody observed: green things, good words, zeros. The link's own pill is excepted. */
interface Claims {
  green: string[];
  words: string[];
  zeros: string[];
}

async function claims(page: Page): Promise<Claims> {
  return page.evaluate(() => {
    const described = (element: Element): string => `${element.tagName.toLowerCase()}.${element.className} "${(element.textContent ?? '').trim().slice(0, 60)}"`;
    const own = (element: Element): boolean => element.closest('[data-live], #connection') !== null;
    const visible = (element: Element): boolean => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    // Green: a hue between yellow-green and cyan that is strong enough to be seen as a colour.
    const green = (colour: string): boolean => {
      const [r = 0, g = 0, b = 0, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
      const most = Math.max(r, g, b);
      const least = Math.min(r, g, b);
      return a > 0.05 && g === most && most - least > 0.25 * most && most - least > 30 && Math.abs(r - b) < 0.9 * (most - least);
    };
    const found: Claims = { green: [], words: [], zeros: [] };
    for (const element of document.querySelectorAll('body *')) {
      if (own(element) || !visible(element)) continue;
      const style = getComputedStyle(element);
      const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent ?? '').join(' ').trim();
      const painted = [style.backgroundColor, ...(text === '' ? [] : [style.color]), ...(element instanceof SVGElement ? [style.fill, style.stroke] : [])];
      if (painted.some(green) || element.getAttribute('data-tone') === 'ok' || text.includes('●')) found.green.push(described(element));
      // "Live feed" is the name of a part, not a claim.
      if (/\b(live|connected|ready|healthy|none|empty|in sync)\b/i.test(text.replace(/^Live feed$/, ''))) found.words.push(described(element));
      if (/(^|[^\d.,:–-])0($|[^\d.,:\w%])/.test(text) && !/attempt/.test(text)) found.zeros.push(described(element));
    }
    for (const attribute of ['data-watch', 'data-connectivity', 'data-readiness']) {
      for (const element of document.querySelectorAll(`[${attribute}="live"], [${attribute}="connected"], [${attribute}="ready"]`)) found.words.push(`${attribute} of ${described(element)}`);
    }
    return found;
  });
}

const NOTHING: Claims = { green: [], words: [], zeros: [] };
const SINCE = /since|last answer|as of|for \d+ (s|min|h)|\d+ (s|min|h|d) ago|just now/i;

const silent: readonly { what: string; wrong: Fault; reason: RegExp }[] = [
  { what: 'answers 401 to everything', wrong: { fault: 'answer_all', with: 'unauthorized' }, reason: /401|unauthori[sz]ed|credentials/i },
  { what: 'answers 500 to everything', wrong: { fault: 'answer_all', with: 'server_error' }, reason: /500|internal|error/i },
  { what: 'hangs', wrong: { fault: 'hang' }, reason: /answer|time/i },
];

for (const { what, wrong, reason } of silent) {
  test.describe(`a cluster that ${what}`, () => {
    test.use({ apart: true, hnpArgs: '--faults', wrong });

    test('nothing is green, nothing is 0, and every page says what is missing, why and since when', async ({ page }) => {
      const lacking: string[] = [];
      const look = async (path: string): Promise<void> => {
        await live(page);
        await expect(page.locator('[data-state="loading"]'), `${path}: what is known to fail is not said to be loading`).toHaveCount(0);
        await expect.poll(() => claims(page), path).toEqual(NOTHING);
        const main = await page.getByRole('main').innerText();
        if (!reason.test(main)) lacking.push(`${path}: why`);
        if (!SINCE.test(main)) lacking.push(`${path}: since when`);
      };
      await page.goto('/');
      await expect(page.locator('[data-fabric="demo"]')).toHaveAttribute('data-connectivity', 'disconnected');
      await look('/');
      await shot(page, `truth-${wrong.fault}-${'with' in wrong ? wrong.with : 'all'}-overview`);
      await page.goto('/f/demo');
      await look('/f/demo');
      for (const kind of ALL) {
        await page.locator(`.rail a[href="/f/demo/${kind.plural}"]`).click();
        await expect(page).toHaveURL(new RegExp(`/${kind.plural}$`));
        await expect(rows(page, kind.kind)).toHaveCount(0);
        await expect(page.locator('[data-count]')).toHaveText('');
        await look(`/f/demo/${kind.plural}`);
      }
      await shot(page, `truth-${wrong.fault}-${'with' in wrong ? wrong.with : 'all'}-list`);
      await page.goto('/f/demo/switches/default/leaf-01');
      await expect(page.getByRole('main')).toContainText('is not known');
      await look('/f/demo/switches/default/leaf-01');

      expect(lacking, 'said on every page').toEqual([]);

      // The same of what the server sends, before any script has run.
      for (const path of ['/', '/f/demo', ...ALL.map((kind) => `/f/demo/${kind.plural}`), '/f/demo/switches/default/leaf-01']) {
        const answer = await page.request.get(path);
        const html = await answer.text();
        expect(answer.status(), `${path}: a cluster that is away is no missing page`).toBe(200);
        expect(html, path).not.toMatch(/data-tone="ok"|data-watch="live"|data-connectivity="connected"|data-state="empty"/);
      }
    });
  });
}

test.describe('a cluster that serves only some kinds', () => {
  const missing = TWELVE.filter((_, at) => at % 2 === 0);
  test.use({ hnpArgs: '--faults' });

  test('says so of each of the others and counts none of them', async ({ page, cluster }) => {
    for (const kind of missing) await cluster.fault({ fault: 'remove_crd', resource: resource(kind) });
    await page.goto('/f/demo');
    await live(page);
    for (const kind of TWELVE) {
      await expect(badge(page, kind.kind)).toHaveAttribute('data-watch', missing.includes(kind) ? 'missing' : 'live', { timeout: 90_000 });
    }
    for (const kind of missing) {
      await page.goto(`/f/demo/${kind.plural}`);
      await live(page);
      await expect(page.locator('main [data-watch="missing"]'), kind.kind).toBeVisible();
      const panel = page.locator('main [data-state="missing"]');
      await expect(panel, kind.kind).toContainText(`are not known: missing`);
      await expect(panel.locator('p').first()).toHaveText(/\w{4,}/);
      await expect(rows(page, kind.kind)).toHaveCount(0);
      await expect(page.locator('[data-count]')).toHaveText('');
      await expect(page.locator(`.rail a[href="/f/demo/${kind.plural}"] .rail-count`)).toHaveText('–');
      await expect(page.locator('main [data-tone="ok"]')).toHaveCount(0);
    }
    await shot(page, 'truth-missing-list');
  });
});
