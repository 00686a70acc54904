// What every journey gets: its own server, the cluster behind it, and a watch over the browser that fails
// the test on any console message, page error or request to a foreign origin.
//
//   import { expect, test } from './fixtures.ts';
//   test.use({ hnpArgs: '--scale large --churn 5', viaProxy: true, consoleAllow: /WebSocket connection to/ });
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test as base, type ConsoleMessage, type Locator, type Page } from '@playwright/test';
import { Cluster, type Fault } from './cluster.ts';
import { Gate } from './gate.ts';
import { freePort, Hnp, Sim } from './hnp.ts';
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
  /** The cluster in a process of its own: `hnp sim`, watched by `hnp serve` as fabric `demo`. Its arguments are `hnpArgs`. */
  apart: boolean;
  /** `hnp serve` without any cluster. */
  bare: boolean;
  /** What is wrong with that cluster before anybody watches it. (`apart`, with `--faults` in `hnpArgs`.) */
  wrong: Fault | undefined;
  /** As whom the browser is signed in: `admin`, with the demo also `operator` and `viewer`; empty: as nobody. (`undefined` would be the default.) */
  user: string;
  /** Puts the test's own TCP proxy between browser and server. */
  viaProxy: boolean;
  /** Puts the test's own HTTP proxy between browser and server, which treats each way of the link by itself. */
  viaGate: boolean;
  /** Console messages that this test provokes, such as the browser's own about a connection that was cut. */
  consoleAllow: RegExp | undefined;
}

interface Fixtures {
  hnp: Hnp;
  /** The process of the cluster, with `apart`. */
  sim: Sim | undefined;
  /** The TCP proxy between browser and server; traffic goes through it only with `viaProxy`. (`proxy` is a name of Playwright's.) */
  line: TcpProxy;
  /** The HTTP proxy; traffic goes through it only with `viaGate`. */
  gate: Gate;
  cluster: Cluster;
  /** Fails the test on what a browser complains about. Automatic. */
  quiet: undefined;
}

export const test = base.extend<Fixtures & Options>({
  hnpArgs: ['', { option: true }],
  hnpEnv: [{}, { option: true }],
  apart: [false, { option: true }],
  bare: [false, { option: true }],
  wrong: [undefined, { option: true }],
  user: ['admin', { option: true }],
  viaProxy: [false, { option: true }],
  viaGate: [false, { option: true }],
  consoleAllow: [undefined, { option: true }],

  line: async ({}, use) => {
    const line = await TcpProxy.listen();
    await use(line);
    await line.close();
  },

  gate: async ({}, use) => {
    const gate = await Gate.listen();
    await use(gate);
    await gate.close();
  },

  sim: async ({ hnpArgs, apart, wrong }, use) => {
    if (!apart) return use(undefined);
    const sim = await Sim.start(withDefaults(words(hnpArgs)));
    if (wrong !== undefined) await Cluster.from(sim.kubeconfig).fault(wrong);
    await use(sim);
    await sim.stop();
  },

  hnp: async ({ hnpArgs, hnpEnv, viaProxy, viaGate, bare, line, gate, sim }, use, info) => {
    const start = bare
      ? { command: 'serve', args: [] } as const
      : sim === undefined
      ? { command: 'demo', args: withDefaults(words(hnpArgs)) } as const
      : { command: 'serve', args: ['--kubeconfig', sim.kubeconfig, '--name', 'demo'] } as const;
    let hnp: Hnp;
    if (viaProxy || viaGate) {
      const port = await freePort();
      const front = viaGate ? gate : line;
      front.target(port);
      hnp = await Hnp.start({ ...start, listen: `127.0.0.1:${port}`, env: { HNP_PUBLIC_URL: front.url, ...hnpEnv } });
    } else {
      hnp = await Hnp.start({ ...start, env: hnpEnv });
    }
    await use(hnp);
    if (info.status !== info.expectedStatus) await info.attach('hnp.log', { body: hnp.log, contentType: 'text/plain' });
    await hnp.stop();
  },

  baseURL: async ({ hnp, viaProxy, viaGate, line, gate }, use) => {
    await use(viaGate ? gate.url : viaProxy ? line.url : hnp.url);
  },

  storageState: async ({ hnp, user }, use) => {
    await use(user === '' ? undefined : await hnp.signIn(user));
  },

  cluster: async ({ hnp, sim }, use) => {
    await use(Cluster.from(sim?.kubeconfig ?? hnp.kubeconfig));
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

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

function place(message: ConsoleMessage): string {
  const { url, lineNumber } = message.location();
  return `${url}:${lineNumber}`;
}

/** The connection pill. */
export function pill(page: Page): Locator {
  return page.locator('[data-live]').first();
}

/** Waits until the page is hydrated and its link is up. */
export async function live(page: Page): Promise<void> {
  await expect(pill(page)).toHaveAttribute('data-live', 'live');
}

/** The badge of a watch on an overview or fabric page. */
export function badge(page: Page, kind: string): Locator {
  return page.locator(`a.watch[data-kind="${kind}"]`);
}

/** The rows of a list page. */
export function rows(page: Page, kind: string): Locator {
  return page.locator(`tr[data-kind="${kind}"]`);
}

/** The row of one object. */
export function row(page: Page, kind: string, name: string, namespace = 'default'): Locator {
  return page.locator(`tr[data-kind="${kind}"][data-key="${namespace}/${name}"]`);
}

/** Leaves a mark that a reload would wipe out; the function returned says whether it is still there. */
export async function unreloaded(page: Page): Promise<() => Promise<void>> {
  const mark = `${Math.random()}`;
  await page.evaluate((mark) => { document.documentElement.dataset['e2eMark'] = mark; }, mark);
  return async () => {
    expect(await page.evaluate(() => document.documentElement.dataset['e2eMark']), 'the page was not loaded anew').toBe(mark);
  };
}

/** A figure of the pill's popover, which is opened and closed again. */
export async function linkFact(page: Page, label: string): Promise<string> {
  await pill(page).click();
  const fact = page.locator('#connection dt').filter({ hasText: new RegExp(`^${label}$`) }).locator('xpath=following-sibling::dd[1]');
  await expect(fact).toBeVisible();
  const text = (await fact.innerText()).trim();
  await page.keyboard.press('Escape');
  return text;
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
