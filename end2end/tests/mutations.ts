// Counting what a change does to the page: a live update may touch its own row and nothing else.
import type { Page } from '@playwright/test';

/** What the DOM went through since counting began. */
export interface Mutations {
  /** Records whose target lies in (or is) an element of `inside`. */
  inside: number;
  /** All others, except those in `ignored`. */
  outside: number;
  /** The first of the others, in words. */
  examples: string[];
}

/** Where to look. All are CSS selectors. */
export interface Watching {
  /** The part of the page that is watched (default `body`). */
  within?: string;
  /** Where changes are expected. */
  inside: string;
  /** What may change at any time: the pill with its round trip, relative times, messages. */
  ignored?: readonly string[];
}

const EXAMPLES = 10;
/** What tells of the link or of time rather than of the world. */
export const RESTLESS: readonly string[] = ['[data-live]', 'time', '[role="status"]', '[role="alert"]', '[aria-live]'];

declare global {
  interface Window {
    hnpMutations?: { observer: MutationObserver; seen: Mutations; take: (records: MutationRecord[]) => void };
  }
}

/** Begins to count. One counter per page; a second call starts anew. */
export async function watchMutations(page: Page, { within = 'body', inside, ignored = RESTLESS }: Watching): Promise<void> {
  await page.evaluate(({ within, inside, ignored, most }) => {
    const root = document.querySelector(within);
    if (root === null) throw new Error(`nothing matches ${within}`);
    window.hnpMutations?.observer.disconnect();
    const seen: Mutations = { inside: 0, outside: 0, examples: [] };
    // A node that was taken out has no ancestors any more; the record's target is still in place or was.
    const lies = (node: Node, selector: string): boolean => {
      const element = node instanceof Element ? node : node.parentElement;
      return element !== null && element.closest(selector) !== null;
    };
    const take = (records: MutationRecord[]): void => {
      for (const record of records) {
        if (lies(record.target, inside)) {
          seen.inside += 1;
        } else if (!ignored.some((selector) => lies(record.target, selector))) {
          seen.outside += 1;
          const at = record.target instanceof Element ? record.target : record.target.parentElement;
          const path = at?.closest('[data-key], [id], [class]');
          if (seen.examples.length < most) {
            seen.examples.push(`${record.type} ${record.attributeName ?? ''} at ${path?.cloneNode(false) instanceof Element ? (path.cloneNode(false) as Element).outerHTML : 'a removed node'}`);
          }
        }
      }
    };
    const observer = new MutationObserver(take);
    observer.observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
    window.hnpMutations = { observer, seen, take };
  }, { within, inside, ignored, most: EXAMPLES });
}

/** What was counted so far, those not yet delivered included. */
export async function mutations(page: Page): Promise<Mutations> {
  return page.evaluate(() => {
    const counter = window.hnpMutations;
    if (counter === undefined) throw new Error('watchMutations was not called on this page, or the page was loaded anew');
    counter.take(counter.observer.takeRecords());
    return counter.seen;
  });
}
