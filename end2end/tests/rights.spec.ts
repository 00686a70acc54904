// What stays on the screen when a session or a right ends: nothing. And what concerns a person reaches them.
// The server's word is spoken by the test, on the page's own WebSocket, so that it comes at a known moment.
import type { Page, WebSocketRoute } from '@playwright/test';
import { expect, live, pill, test } from './fixtures.ts';

// A page of a fabric that is not there is answered with 404, as it should be.
test.use({ consoleAllow: /status of 40[14]|WebSocket/ });

/** The page's WebSockets, each joined to the server; the newest last. */
async function lines(page: Page): Promise<WebSocketRoute[]> {
  const open: WebSocketRoute[] = [];
  await page.routeWebSocket(/\/api\/v1\/live$/, (line) => {
    line.connectToServer();
    open.push(line);
  });
  return open;
}

/** Says something to the page as the server would. */
function say(open: WebSocketRoute[], frame: unknown): void {
  const line = open.at(-1);
  if (line === undefined) throw new Error('the page has opened no WebSocket');
  line.send(JSON.stringify(frame));
}

for (const [code, words] of [[4503, 'You are signed out'], [4507, 'You may not be here any more']] as const) {
  test(`after close code ${code} nothing is left to read, and nothing is tried again`, async ({ page }) => {
    const open = await lines(page);
    await page.clock.install();
    await page.goto('/f/demo/switches?q=leaf');
    await live(page);
    await expect(page.locator('tr[data-key="default/leaf-01"]')).toBeVisible();
    const before = open.length;
    await open.at(-1)?.close({ code });
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(words);
    const text = await page.locator('body').innerText();
    expect(text).not.toContain('leaf-01');
    expect(text).not.toContain('demo');
    await expect(pill(page)).toHaveText('✕ signed out');
    await expect(page).toHaveTitle('Signed out · HNP');
    await expect(page.getByRole('link', { name: 'Sign in' })).toHaveAttribute('href', '/login?next=%2Ff%2Fdemo%2Fswitches%3Fq%3Dleaf');
    // Longer than any backoff.
    await page.clock.fastForward('01:00');
    await page.clock.runFor(1_000);
    expect(open.length, 'no further WebSocket').toBe(before);
  });
}

test('a fabric that one may no longer see leaves the screen at once', async ({ page }) => {
  const open = await lines(page);
  await page.goto('/f/demo/switches');
  await live(page);
  await expect(page.locator('tr[data-key="default/leaf-01"]')).toBeVisible();
  for (const topic of ['objects/demo/Switch', 'feed/demo', 'state/demo']) say(open, { t: 'revoke', topic, reason: 'forbidden' });
  await expect(page.getByRole('heading', { name: 'This fabric is not here for you any more' })).toBeVisible();
  await expect(page.locator('#main')).toBeHidden();
  await expect(page.locator('tr[data-key="default/leaf-01"]')).toHaveCount(0);
  await expect(page.locator('#rail')).not.toContainText('Switches');
  await expect(page.getByRole('status').filter({ hasText: 'demo is not here any more' })).toBeVisible();
});

test('a word to a person is shown, leads to what it concerns and is kept in the drawer', async ({ page }) => {
  const open = await lines(page);
  await page.goto('/');
  await live(page);
  await expect(page.getByRole('button', { name: /^Account of / })).toBeVisible();
  const word = {
    specversion: '1.0', id: '900001', source: '/me', type: 'hnp.notice', time: new Date().toISOString(),
    data: { severity: 'error', message: 'Your token ci ends tomorrow', link: '/account/tokens' },
  };
  // Until the link has said where the topic stands, a word is of a wish that is no more; so it is said until it is heard.
  await expect(async () => {
    say(open, { t: 'evt', topic: 'me', id: word.id, e: word });
    await expect(page.getByRole('alert').filter({ hasText: word.data.message })).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 30_000 });
  await expect(page.getByRole('alert').getByRole('link', { name: word.data.message })).toHaveAttribute('href', '/account/tokens');
  await page.getByRole('button', { name: /Notifications, 1 unread/ }).click();
  await expect(page.locator('#notifications')).toContainText(word.data.message);
});

test.describe('a viewer', () => {
  test.use({ user: 'viewer', consoleAllow: /status of 40[35]/ });

  test('who follows a link to a page for others reads what it takes', async ({ page }) => {
    await page.goto('/audit');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Not for you');
    await expect(page.getByRole('alert').filter({ hasText: 'needs the role admin everywhere' })).toBeVisible();
    await expect(page.locator('#rail')).toContainText('Switches');
    await page.getByRole('link', { name: 'What I may do' }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Account');
  });

  test('a form that is refused before any page sees it is answered by one', async ({ page }) => {
    await page.goto('/account');
    await page.evaluate(() => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action: '/f/demo' });
      document.body.append(form);
      form.submit();
    });
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('This cannot be answered');
    await expect(page.getByRole('link', { name: 'Overview' })).toBeVisible();
  });
});
