// A tab that is driven through the DevTools protocol alone. Playwright keeps each of its own pages visible and
// focused for ever; this one can be hidden, frozen and thawed as a browser does it with tabs in the background.
// Absent: no tab that outlives `close`.
import type { Browser, CDPSession } from '@playwright/test';
import type { SignedIn } from './hnp.ts';
import { until } from './until.ts';

const ANSWER_WITHIN_MS = 30_000;
const PATIENCE_MS = 60_000;
/** What a page calls when it is shown. */
const SHOWN = 'hnpShown';

/** What each page of such a tab keeps about itself; times are its own `performance.now()`, which no clock moves. */
interface Notes {
  /** Moves the wall clock. */
  ahead: (milliseconds: number) => void;
  /** Begins to look for this text in what matches the selector. */
  want: (selector: string, text: string) => void;
  /** Forgets what was noted so far. */
  forget: () => void;
  /** What the browser told the page, and when. */
  events: { name: string; at: number }[];
  /** Where the pill stood, and since when. */
  said: { state: string; at: number }[];
  /** When the text was there. */
  rightAt: number | undefined;
}

/** How a page came back. */
export interface Return {
  /** Milliseconds from the return until it was live and showed what had happened. */
  took: number;
  /** What the browser told it and what the pill said, in order. */
  story: string;
}

/** A tab of a browser context of its own. */
export class Tab {
  /** Why the browser did not restore a page from its memory, in its own words. */
  readonly notRestored: string[] = [];
  /** Pages that were shown so far, the restored ones included. */
  private shown = 0;
  private last = 0;
  private readonly waiting = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>();

  private constructor(
    private readonly browser: CDPSession,
    private readonly context: string,
    private readonly target: string,
    private readonly session: string,
  ) {
    browser.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
      if (sessionId !== this.session) return;
      const answer = JSON.parse(message) as { id?: number; result?: unknown; error?: { message: string }; method?: string; params?: { notRestoredExplanations?: { reason: string }[] } };
      if (answer.id !== undefined) this.waiting.get(answer.id)?.(answer);
      if (answer.method === 'Runtime.bindingCalled') this.shown += 1;
      if (answer.method === 'Page.backForwardCacheNotUsed') this.notRestored.push(...(answer.params?.notRestoredExplanations ?? []).map(({ reason }) => reason));
    });
  }

  /** Opens an empty tab of a browser that is signed in. */
  static async open(browser: Browser, { cookies }: SignedIn): Promise<Tab> {
    const cdp = await browser.newBrowserCDPSession();
    const { browserContextId } = await cdp.send('Target.createBrowserContext');
    await cdp.send('Storage.setCookies', { cookies, browserContextId });
    const { targetId } = await cdp.send('Target.createTarget', { url: 'about:blank', browserContextId, width: 1440, height: 900 });
    const { sessionId } = await cdp.send('Target.attachToTarget', { targetId, flatten: false });
    const tab = new Tab(cdp, browserContextId, targetId, sessionId);
    await tab.send('Page.enable');
    await tab.send('Runtime.enable');
    await tab.send('Runtime.addBinding', { name: SHOWN });
    await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${takeNotes.toString()})('${SHOWN}');` });
    return tab;
  }

  /** One command of the DevTools protocol. */
  async send<T>(method: string, params: object = {}): Promise<T> {
    this.last += 1;
    const id = this.last;
    const answered = new Promise<T>((resolve, reject) => {
      const late = setTimeout(() => { reject(new Error(`${method}: no answer within ${ANSWER_WITHIN_MS} ms`)); }, ANSWER_WITHIN_MS);
      this.waiting.set(id, ({ result, error }) => {
        clearTimeout(late);
        this.waiting.delete(id);
        if (error === undefined) resolve(result as T);
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
    answered.catch(() => undefined);
    await this.browser.send('Target.sendMessageToTarget', { sessionId: this.session, message: JSON.stringify({ id, method, params }) });
    return answered;
  }

  async goto(url: string): Promise<void> {
    await this.navigates(() => this.send('Page.navigate', { url }));
  }

  /** Waits for the page that an act leads to. Nothing is asked of a page meanwhile: one that rests in the browser's memory would be thrown away. */
  private async navigates(act: () => Promise<unknown>): Promise<void> {
    const before = this.shown;
    await act();
    await until('the next page is shown', PATIENCE_MS, () => this.shown > before);
  }

  /** Goes back to the page before this one, as the browser's button does. */
  async back(): Promise<void> {
    const { currentIndex, entries } = await this.send<{ currentIndex: number; entries: { id: number }[] }>('Page.getNavigationHistory');
    const before = entries[currentIndex - 1];
    if (before === undefined) throw new Error('there is no page before this one');
    await this.navigates(() => this.send('Page.navigateToHistoryEntry', { entryId: before.id }));
  }

  /** Waits until the page is live. */
  async live(): Promise<void> {
    await until('the tab is live', PATIENCE_MS, () => this.evaluate<boolean>(`document.querySelector('[data-live]')?.dataset.live === 'live'`));
  }

  /** Moves the page's clock; its timers go on as they did. */
  async moveClock(milliseconds: number): Promise<void> {
    await this.evaluate(`hnpNotes.ahead(${milliseconds})`);
  }

  /** From now on the page looks out for this text. */
  async look(selector: string, text: string): Promise<void> {
    await this.evaluate(`hnpNotes.want(${JSON.stringify(selector)}, ${JSON.stringify(text)})`);
  }

  /** As `look`; what the browser and the pill said before is forgotten. */
  async lookAnew(selector: string, text: string): Promise<void> {
    await this.evaluate('hnpNotes.forget()');
    await this.look(selector, text);
  }

  /** The page's own time, which no clock moves. */
  async time(): Promise<number> {
    return this.evaluate('performance.now()');
  }

  /** Waits until the page is live and shows what it looked out for; counted from an event, or from a time of its own. */
  async returned(from: string | number): Promise<Return> {
    const notes = await until('the tab is live and right', PATIENCE_MS, async () => {
      const notes = await this.evaluate<Pick<Notes, 'events' | 'said' | 'rightAt'>>('({ events: hnpNotes.events, said: hnpNotes.said, rightAt: hnpNotes.rightAt })');
      const isLive = notes.said.at(-1)?.state === 'live';
      return isLive && notes.rightAt !== undefined && notes;
    });
    const begun = typeof from === 'number' ? from : notes.events.filter(({ name }) => name === from).at(-1)?.at;
    if (begun === undefined) throw new Error(`the page was not told ${from}, but ${notes.events.map(({ name }) => name).join(', ')} (${this.notRestored.join(', ')})`);
    const story = [...notes.events.map(({ name, at }) => ({ word: name, at })), ...notes.said.map(({ state, at }) => ({ word: `says ${state}`, at })), { word: 'right', at: notes.rightAt ?? 0 }]
      .sort((a, b) => a.at - b.at).map(({ word, at }) => `${word} ${Math.round(at - begun)}`).join(', ');
    return { took: Math.round(Math.max(notes.rightAt ?? 0, notes.said.at(-1)?.at ?? 0) - begun), story };
  }

  /** A figure of the pill's popover. */
  async fact(label: string): Promise<string> {
    return this.evaluate(`[...document.querySelectorAll('#connection dt')].find((dt) => dt.textContent.trim() === ${JSON.stringify(label)})?.nextElementSibling?.textContent.trim() ?? ''`);
  }

  /** The network is gone, as the browser knows it, or back. */
  async offline(offline: boolean): Promise<void> {
    await this.send('Network.enable');
    await this.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  }

  /** What an expression is in the page, frozen or not. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send<{ result: { value: T }; exceptionDetails?: { text: string } }>('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }

  /** Another tab is in front of it, or not any more. */
  async hide(hidden: boolean): Promise<void> {
    const { windowId } = await this.browser.send('Browser.getWindowForTarget', { targetId: this.target });
    await this.browser.send('Browser.setWindowBounds', { windowId, bounds: { windowState: hidden ? 'minimized' : 'normal' } });
  }

  /** Frozen: no script and no timer runs until it is thawed. */
  async freeze(frozen: boolean): Promise<void> {
    await this.send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' });
  }

  async close(): Promise<void> {
    await this.browser.send('Target.disposeBrowserContext', { browserContextId: this.context });
    await this.browser.detach();
  }
}

/** Runs in the page. */
function takeNotes(shown: string): void {
  const real = Date.now.bind(Date);
  let moved = 0;
  let wanted: readonly [string, string] | undefined;
  Date.now = () => real() + moved;
  const look = (): void => {
    const state = document.querySelector<HTMLElement>('[data-live]')?.dataset['live'];
    if (state !== undefined && notes.said.at(-1)?.state !== state) notes.said.push({ state, at: performance.now() });
    if (wanted === undefined || notes.rightAt !== undefined) return;
    const [selector, text] = wanted;
    if (document.querySelector(selector)?.textContent?.includes(text) === true) notes.rightAt = performance.now();
  };
  const notes: Notes = {
    ahead: (milliseconds) => { moved += milliseconds; },
    want: (selector, text) => {
      wanted = [selector, text];
      notes.rightAt = undefined;
      look();
    },
    forget: () => {
      notes.events.length = 0;
      notes.said.length = 0;
      look();
    },
    events: [],
    said: [],
    rightAt: undefined,
  };
  (window as unknown as { hnpNotes: Notes }).hnpNotes = notes;
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  for (const name of ['freeze', 'resume', 'visibilitychange', 'online', 'offline', 'pageshow']) {
    addEventListener(name, (event) => {
      const how = name === 'visibilitychange' ? document.visibilityState : name === 'pageshow' && (event as PageTransitionEvent).persisted ? 'restored' : name;
      notes.events.push({ name: how, at: performance.now() });
      if (name === 'pageshow') (window as unknown as Record<string, (word: string) => void>)[shown]?.('');
    }, true);
  }
}
