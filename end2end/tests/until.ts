// Waiting for a condition with a deadline: what tests do instead of sleeping.

const LOOK_EVERY_MS = 50;

/** Asks `look` until it answers something other than `undefined` or `false`; fails with `what` after `within` ms. */
export async function until<T>(what: string, within: number, look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
  }
}
