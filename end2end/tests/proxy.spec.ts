// The proxy is a tool that other tests trust, so it has tests of its own. No browser, no HNP.
import net, { type AddressInfo } from 'node:net';
import { expect, test as base } from '@playwright/test';
import { TcpProxy } from './proxy.ts';
import { until } from './until.ts';

const SOON_MS = 30_000;

/** A connection that remembers what came in and how it ended. */
class Caller {
  received = '';
  ended: string | undefined;

  private constructor(private readonly socket: net.Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => { this.received += text; });
    socket.on('error', (error: NodeJS.ErrnoException) => { this.ended ??= error.code ?? error.message; });
    socket.on('close', () => { this.ended ??= 'closed'; });
  }

  static call(port: number): Caller {
    return new Caller(net.connect(port, '127.0.0.1'));
  }

  say(text: string): void {
    this.socket.write(text);
  }

  async hears(text: string): Promise<void> {
    await until(`the answer "${text}", got "${this.received}"`, SOON_MS, () => this.received.endsWith(text));
  }

  async end(): Promise<string> {
    return until('the end of the connection', SOON_MS, () => this.ended);
  }

  hangUp(): void {
    this.socket.destroy();
  }
}

const test = base.extend<{ line: TcpProxy; call: () => Caller }>({
  line: async ({}, use) => {
    const echo = net.createServer((socket) => { socket.on('error', () => socket.destroy()); socket.pipe(socket); });
    await new Promise<void>((resolve) => { echo.listen(0, '127.0.0.1', resolve); });
    const line = await TcpProxy.listen();
    line.target((echo.address() as AddressInfo).port);
    await use(line);
    await line.close();
    await new Promise((resolve) => { echo.close(resolve); });
  },
  call: async ({ line }, use) => {
    const callers: Caller[] = [];
    await use(() => {
      const caller = Caller.call(line.port);
      callers.push(caller);
      return caller;
    });
    for (const caller of callers) caller.hangUp();
  },
});

test('the proxy passes both ways and counts its connections', async ({ line, call }) => {
  const [one, two] = [call(), call()];
  one.say('hello');
  two.say('world');
  await one.hears('hello');
  await two.hears('world');
  expect(line.connections).toBe(2);
  expect(line.open).toBe(2);
});

test('cut ends what is open and lets new connections in', async ({ line, call }) => {
  const before = call();
  before.say('a');
  await before.hears('a');
  line.cut();
  await before.end();
  const after = call();
  after.say('b');
  await after.hears('b');
});

test('refuse turns new connections away until it passes again, on the same port', async ({ line, call }) => {
  const open = call();
  open.say('a');
  await open.hears('a');
  await line.become('refuse');
  expect(await call().end()).toBe('ECONNREFUSED');
  open.say('b');
  await open.hears('ab');
  await line.become('pass');
  const later = call();
  later.say('c');
  await later.hears('c');
});

test('swallow keeps a connection open and silent, and what was said meanwhile is lost', async ({ line, call }) => {
  const quiet = call();
  quiet.say('a');
  await quiet.hears('a');
  await line.become('swallow');
  quiet.say('lost');
  // A connection made after it proves that the proxy has read on since: it was accepted, and is silent too.
  call().say('also lost');
  await until('the second connection', SOON_MS, () => line.connections === 2);
  expect(quiet.ended).toBeUndefined();
  await line.become('pass');
  quiet.say('b');
  await quiet.hears('ab');
});

test('strand leaves what is open silent for ever, while new connections pass', async ({ line, call }) => {
  const old = call();
  old.say('a');
  await old.hears('a');
  line.strand();
  old.say('lost');
  const fresh = call();
  fresh.say('b');
  await fresh.hears('b');
  expect([old.received, old.ended]).toEqual(['a', undefined]);
});

test('slow holds back in order', async ({ line, call }) => {
  const caller = call();
  caller.say('a');
  await caller.hears('a');
  line.slow(150);
  const said = performance.now();
  for (const letter of 'bcd') caller.say(letter);
  await caller.hears('abcd');
  // Held back once on the way there and once on the way back.
  expect(performance.now() - said).toBeGreaterThanOrEqual(290);
});
