// Changes that a test makes one after another while other things happen, counted and numbered, so that every single
// one of them can be found again on a page.
import { expect, type Page } from '@playwright/test';
import { row, rows } from './fixtures.ts';
import type { Cluster } from './cluster.ts';
import { named } from './kinds.ts';

const SWITCH = named('Switch');
const VLANS = named('VLANNamespace');
/** The switch that is changed with every step; its page lists each change. */
export const CHANGED = 'leaf-01';
/** Most steps: a page lists 100 changes of an object. */
const MOST = 95;

/** What is done to the cluster. */
export class Load {
  private made = 0;
  private readonly alive: string[] = [];
  private created = 0;
  private deleted = 0;
  private stopping = false;
  private running: Promise<void> = Promise.resolve();

  private constructor(private readonly cluster: Cluster) {}

  /** Begins: a step about every so many milliseconds, until `stop`. */
  static begin(cluster: Cluster, everyMs: number): Load {
    const load = new Load(cluster);
    load.running = load.run(everyMs);
    // Whoever stops it hears of a failure.
    load.running.catch(() => undefined);
    return load;
  }

  /** Steps so far: as many changes of the switch. */
  get steps(): number {
    return this.made;
  }

  /** Ends it; all that was begun is done then. */
  async stop(atLeast = 0): Promise<void> {
    this.stopping = true;
    await this.running;
    while (this.made < atLeast) await this.step();
  }

  private async run(everyMs: number): Promise<void> {
    while (!this.stopping && this.made < MOST) {
      const next = performance.now() + everyMs;
      await this.step();
      // The pace of the load, not a wait for anything.
      await new Promise((resolve) => { setTimeout(resolve, Math.max(0, next - performance.now())); });
    }
  }

  private async step(): Promise<void> {
    const at = this.made;
    await this.cluster.patch(SWITCH, CHANGED, { spec: { description: `change ${at}` } });
    this.made += 1;
    if (at % 2 === 0) {
      const name = `load-${at}`;
      await this.cluster.create(VLANS, { apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, spec: { ranges: [{ from: 3_000, to: 3_000 + at }] } });
      this.alive.push(name);
      this.created += 1;
    }
    const oldest = this.alive[0];
    if (at % 3 === 0 && this.alive.length > 2 && oldest !== undefined) {
      await this.cluster.remove(VLANS, oldest);
      this.alive.shift();
      this.deleted += 1;
    }
  }

  /** Everything that was done until now is on the page of the switch; more may follow meanwhile. */
  async hasReached(page: Page): Promise<void> {
    const last = this.made - 1;
    const shown = async (): Promise<number> => Number(/description: change (\d+)/.exec(await page.locator('.yaml').innerText())?.[1] ?? -1);
    await expect.poll(shown, 'the page keeps up').toBeGreaterThanOrEqual(last);
  }

  /** The page of the switch lists every change that was made, in order, once each. */
  async allAreOn(page: Page): Promise<void> {
    await this.hasReached(page);
    const expected = Array.from({ length: this.made }, (_, at) => `change ${at}`).reverse();
    await expect.poll(() => page.locator('.history li ins').filter({ hasText: /^change \d+$/ }).allInnerTexts(), 'every change once, newest first').toEqual(expected);
  }

  /** The list of VLAN namespaces equals the cluster, creates and deletes included. */
  async listIsRight(page: Page): Promise<void> {
    const expected = (await this.cluster.listAll(VLANS)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
    const last = this.alive.at(-1);
    if (last !== undefined) await expect(row(page, VLANS.kind, last)).toBeVisible();
    await expect.poll(() => rows(page, VLANS.kind).evaluateAll((rows) => rows.map((row) => row.getAttribute('data-key') ?? '').sort())).toEqual(expected);
  }

  /** What was done, for people. */
  get summary(): string {
    return `${this.made} changes of ${CHANGED}, ${this.created} creates, ${this.deleted} deletes`;
  }
}
