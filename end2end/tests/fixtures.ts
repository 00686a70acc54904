// What every journey gets: its own server, the cluster behind it, and a watch over the browser that fails
// the test on any console message, page error or request to a foreign origin.
//
//   import { expect, test } from './fixtures.ts';
//   test.use({ hnpArgs: '--scale large --churn 5', viaProxy: true, consoleAllow: /WebSocket connection to/ });
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test as base, type ConsoleMessage, type Page } from '@playwright/test';
import { Cluster } from './cluster.ts';
import { freePort, Hnp } from './hnp.ts';
import { TcpProxy } from './proxy.ts';

/** Where pictures for people go. */
const SHOTS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '.out', 'shots');

/** The demo as tests want it: always the same fabric, in which nothing changes by itself. */
export const STILL: readonly string[] = ['--seed', '7', '--churn', '0', '--heartbeat', '0'];

// No option is a list: Playwright takes a list in `test.use` for a pair of value and settings.
interface Options {
  /** Further arguments of `hnp demo`, separated by spaces; each flag replaces the still default of its name. */
  hnpArgs: string;
  /** Further environment of the server. */
  hnpEnv: Readonly<Record<string, string>>;
  /** Puts the test's own TCP proxy between browser and server. */
  viaProxy: boolean;
  /** Console messages that this test provokes, such as the browser's own about a connection that was cut. */
  consoleAllow: RegExp | undefined;
}

interface Fixtures {
  hnp: Hnp;
  /** The TCP proxy between browser and server; traffic goes through it only with `viaProxy`. (`proxy` is a name of Playwright's.) */
  line: TcpProxy;
  cluster: Cluster;
  /** Fails the test on what a browser complains about. Automatic. */
  quiet: undefined;
}

export const test = base.extend<Fixtures & Options>({
  hnpArgs: ['', { option: true }],
  hnpEnv: [{}, { option: true }],
  viaProxy: [false, { option: true }],
  consoleAllow: [undefined, { option: true }],

  line: async ({}, use) => {
    const line = await TcpProxy.listen();
    await use(line);
    await line.close();
  },

  hnp: async ({ hnpArgs, hnpEnv, viaProxy, line }, use, info) => {
    const args = withDefaults(hnpArgs.split(' ').filter((word) => word !== ''));
    let hnp: Hnp;
    if (viaProxy) {
      const port = await freePort();
      line.target(port);
      hnp = await Hnp.start({ args, listen: `127.0.0.1:${port}`, env: { HNP_PUBLIC_URL: line.url, ...hnpEnv } });
    } else {
      hnp = await Hnp.start({ args, env: hnpEnv });
    }
    await use(hnp);
    if (info.status !== info.expectedStatus) await info.attach('hnp.log', { body: hnp.log, contentType: 'text/plain' });
    await hnp.stop();
  },

  baseURL: async ({ hnp, viaProxy, line }, use) => {
    await use(viaProxy ? line.url : hnp.url);
  },

  cluster: async ({ hnp }, use) => {
    await use(Cluster.from(hnp.kubeconfig));
  },

  quiet: [async ({ context, baseURL, consoleAllow }, use) => {
    const complaints: string[] = [];
    const complain = (text: string): void => {
      if (consoleAllow?.test(text) !== true) complaints.push(text);
    };
    context.on('console', (message) => { complain(`console.${message.type()}: ${message.text()} (${place(message)})`); });
    context.on('weberror', (error) => { complain(`page error: ${error.error().stack ?? error.error().message}`); });
    context.on('request', (request) => {
      const url = new URL(request.url());
      const own = ['data:', 'blob:', 'about:'].includes(url.protocol) || url.origin === new URL(baseURL ?? url.href).origin;
      if (!own) complain(`request to a foreign origin: ${request.url()}`);
    });
    await use(undefined);
    expect(complaints, 'the browser has nothing to complain about').toEqual([]);
  }, { auto: true }],
});

export { expect };

/** The still demo, with a test's own arguments in place of the same flags. */
function withDefaults(own: readonly string[]): string[] {
  const args = [...own];
  for (let at = 0; at < STILL.length; at += 2) {
    const [flag, value] = [STILL[at], STILL[at + 1]];
    if (flag !== undefined && value !== undefined && !own.includes(flag)) args.push(flag, value);
  }
  return args;
}

function place(message: ConsoleMessage): string {
  const { url, lineNumber } = message.location();
  return `${url}:${lineNumber}`;
}

/** Waits until the page is hydrated and its link is up. */
export async function live(page: Page): Promise<void> {
  await expect(page.locator('[data-live]').first()).toHaveAttribute('data-live', 'live');
}

/** Accessibility: no violation of WCAG 2.2 A and AA anywhere on the page as it stands. */
export async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ target }) => target.join(' ')).join('\n  ')}`);
  expect(told, 'axe-core finds nothing').toEqual([]);
}

/** A picture for a person to look at: end2end/.out/shots/<name>.png */
export async function shot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true, animations: 'disabled' });
}
