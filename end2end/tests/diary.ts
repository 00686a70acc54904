// What the connection pill said and when, from the first moment of a page on. The page writes, Node keeps: a page
// that is frozen, moves its clock or goes away takes nothing of it along.
import type { Page } from '@playwright/test';
import { until } from './until.ts';

/** The pill as it looked from a moment on. */
export interface Entry {
  /** `data-live`. */
  state: string;
  /** `data-transport`. */
  transport: string;
  /** The words. */
  text: string;
  /** Milliseconds since the page began to load, by the page. */
  sincePage: number;
  /** When the word of it arrived here, as `performance.now()` of this process. */
  at: number;
}

const BINDING = 'hnpPillSaid';
const PATIENCE_MS = 120_000;

/** See the module. */
export class Diary {
  private readonly entries: Entry[] = [];

  private constructor() {}

  /** Begins to write; before the page's first `goto`. */
  static async keep(page: Page): Promise<Diary> {
    const diary = new Diary();
    await page.exposeBinding(BINDING, (_source, entry: Omit<Entry, 'at'>) => {
      diary.entries.push({ ...entry, at: performance.now() });
    });
    await page.addInitScript((binding) => {
      let last = '';
      const look = (): void => {
        const pill = document.querySelector<HTMLElement>('[data-live]');
        if (pill === null) return;
        const [state, transport] = [pill.dataset['live'] ?? '', pill.dataset['transport'] ?? ''];
        if (last === `${state} ${transport}`) return;
        last = `${state} ${transport}`;
        const said = { state, transport, text: (pill.textContent ?? '').trim(), sincePage: performance.now() };
        (window as unknown as Record<string, (said: object) => void>)[binding]?.(said);
      };
      new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-live', 'data-transport'] });
    }, BINDING);
    return diary;
  }

  /** A place in the diary, for `since`. */
  get now(): number {
    return this.entries.length;
  }

  /** What was written since a place. */
  since(place: number): readonly Entry[] {
    return this.entries.slice(place);
  }

  /** The first time since a place that the pill stood so. */
  async reaches(state: string, transport: string, place = 0, within = PATIENCE_MS): Promise<Entry> {
    return until(`the pill says ${state} by ${transport}; it said ${this.story(place)}`, within, () =>
      this.since(place).find((entry) => entry.state === state && entry.transport === transport));
  }

  /** All of it in a line, for people. */
  story(place = 0): string {
    return this.since(place).map(({ state, transport, sincePage }) => `${state}/${transport} at ${Math.round(sincePage)} ms`).join(', ');
  }
}
