// The product under test: one `hnp demo` or `hnp serve` process with its own data folder on its own port, and
// `hnp sim`, the embedded API server alone.
// Absent: no shared state between two of them, and nothing is stopped but by its own handle.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

/** The repository. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const READY_WITHIN_MS = 60_000;
/** How long a server may take over SIGTERM; a clean stop is part of what is tested. */
const STOP_WITHIN_MS = 20_000;

/** How to start it. */
export interface HnpOptions {
  /** Which command serves (default `demo`). */
  command?: 'demo' | 'serve';
  /** Its further arguments. */
  args?: readonly string[];
  /** Further environment. */
  env?: Readonly<Record<string, string>>;
  /** `host:port` to listen on; port 0 finds a free one. */
  listen?: string;
  /** A folder of an earlier run to go on with. */
  home?: string;
  /** Leaves the first admin to the test: the set-up link stays unused. */
  fresh?: boolean;
}

/** What a browser comes with that has signed in. */
export interface SignedIn {
  cookies: {
    name: string; value: string; domain: string; path: string; expires: number; httpOnly: boolean; secure: boolean; sameSite: 'Lax';
  }[];
  origins: never[];
}

/** Password of the demo's accounts, `admin`, `operator` and `viewer`. */
const DEMO_PASSWORD = 'hnp-demo';
/** Password of `admin`, whom a test makes where a server has nobody yet. */
const PASSWORD = 'the first one of every journey';

/** How a command ended. */
export interface Ended {
  code: number | null;
  /** All that it printed. */
  output: string;
}

/** Runs `hnp` in a folder of its own until it ends by itself; fails if it does not. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const home = mkdtempSync(path.join(tmpdir(), 'hnp-e2e-'));
  const running = Running.spawn(args, home, env);
  try {
    const code = await until(`hnp ${args.join(' ')} ends`, READY_WITHIN_MS, () => running.exitCode);
    return { code, output: running.log };
  } finally {
    await running.kill();
    rmSync(home, { recursive: true, force: true });
  }
}

/** A running server. */
export class Hnp {
  private constructor(
    /** `http://127.0.0.1:<port>`, without a slash at the end. */
    readonly url: string,
    /** Its working folder; `data/` lies in it. */
    readonly home: string,
    private readonly password: string,
    private readonly running: Running,
  ) {}

  /** Starts it and waits until `/readyz` says 200. */
  static async start(options: HnpOptions = {}): Promise<Hnp> {
    const home = options.home ?? mkdtempSync(path.join(tmpdir(), 'hnp-e2e-'));
    const command = options.command ?? 'demo';
    const args = [command, '--listen', options.listen ?? '127.0.0.1:0', ...(options.args ?? [])];
    const running = Running.spawn(args, home, options.env);
    try {
      const url = await running.until(`hnp ${command} is ready`, () => findPage(running.log));
      if (command === 'serve' && options.fresh !== true) await setUp(url, running.log);
      return new Hnp(url, home, command === 'demo' ? DEMO_PASSWORD : PASSWORD, running);
    } catch (error) {
      await running.kill();
      if (options.home === undefined) rmSync(home, { recursive: true, force: true });
      throw error;
    }
  }

  /** The kubeconfig that the demo wrote. */
  get kubeconfig(): string {
    return path.join(this.home, 'data', 'demo.kubeconfig');
  }

  /** All that it printed so far. */
  get log(): string {
    return this.running.log;
  }

  /** Signs in. (Cookies know no ports: what is signed in here is so behind a proxy too.) */
  async signIn(user = 'admin'): Promise<SignedIn> {
    const answer = await fetch(`${this.url}/api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: this.url },
      body: JSON.stringify({ user, password: this.password }),
    });
    const [name, value] = (answer.headers.get('set-cookie') ?? '').split(';')[0]?.split('=') ?? [];
    if (!answer.ok || name === undefined || value === undefined) throw new Error(`${user} cannot sign in: ${answer.status} ${await answer.text()}`);
    const cookie = { name, value, domain: '127.0.0.1', path: '/', expires: -1, httpOnly: true, secure: false, sameSite: 'Lax' } as const;
    return { cookies: [cookie], origins: [] };
  }

  /** Lets it make no file larger than so many bytes, as a full disk does; `undefined` lets it again. */
  limitFiles(bytes: number | undefined): void {
    execFileSync('prlimit', ['--pid', `${this.running.pid}`, `--fsize=${bytes ?? 'unlimited'}:`]);
  }

  /** Sends a signal: SIGSTOP, SIGCONT… */
  signal(signal: NodeJS.Signals): void {
    this.running.signal(signal);
  }

  /** Ends it as a power cut would; its folder stays, for `home` of the next one. */
  async kill(): Promise<void> {
    await this.running.kill();
  }

  /** Stops it as a person would and removes its folder. Fails when it does not end cleanly. */
  async stop({ keepHome = false } = {}): Promise<void> {
    await this.running.stop();
    if (!keepHome) rmSync(this.home, { recursive: true, force: true });
  }
}

/** `hnp sim`: an embedded API server in a process of its own. */
export class Sim {
  private constructor(
    /** The kubeconfig that it wrote: cluster admin. */
    readonly kubeconfig: string,
    private readonly home: string,
    private readonly running: Running,
  ) {}

  static async start(args: readonly string[] = []): Promise<Sim> {
    const home = mkdtempSync(path.join(tmpdir(), 'hnp-e2e-sim-'));
    const kubeconfig = path.join(home, 'sim.kubeconfig');
    const running = Running.spawn(['sim', '--kubeconfig-out', kubeconfig, ...args], home);
    try {
      await running.until('hnp sim has written its kubeconfig', () => running.log.split('\n')[0] === kubeconfig);
      return new Sim(kubeconfig, home, running);
    } catch (error) {
      await running.kill();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.running.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A process of ours and what it prints. */
class Running {
  private readonly output: string[] = [];
  private failure = '';

  private constructor(private readonly child: ChildProcess, private readonly name: string) {
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => this.output.push(text));
    child.on('error', (error) => { this.failure = error.message; });
  }

  static spawn(args: readonly string[], home: string, env: Readonly<Record<string, string>> = {}): Running {
    const site = path.resolve(ROOT, process.env['HNP_SITE'] ?? path.join(process.env['CARGO_TARGET_DIR'] ?? 'target', 'site'));
    if (!existsSync(path.join(site, 'hash.txt'))) throw new Error(`error: no client site in ${site}; cause: it was not built; try: make e2e`);
    // Through a shell that ignores the signal about files that grow too large: what counts is what is made of the error.
    const child = spawn('/bin/sh', ['-c', 'trap "" XFSZ; exec "$0" "$@"', binary(), ...args], {
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HNP_SITE: site, HNP_DATA_DIR: path.join(home, 'data'), ...env },
    });
    return new Running(child, `hnp ${args[0] ?? ''}`);
  }

  get log(): string {
    return this.output.join('');
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** The exit code, once everything that it printed was read; `null` after a signal. */
  get exitCode(): number | null | undefined {
    const read = [this.child.stdout, this.child.stderr].every((stream) => stream?.readableEnded !== false);
    return this.ended && read ? this.child.exitCode : undefined;
  }

  private get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits for a condition while the process lives. */
  async until<T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
    try {
      return await until(what, READY_WITHIN_MS, () => {
        if (this.failure !== '' || this.ended) throw new Error(`${this.name} ended (${this.failure || (this.child.signalCode ?? this.child.exitCode)})`);
        return look();
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n--- its output:\n${this.log}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.ended || this.failure !== '') return;
    const ended = new Promise((resolve) => { this.child.once('exit', resolve); });
    this.child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    const ended = new Promise((resolve) => { this.child.once('exit', resolve); });
    let forced = false;
    const hard = setTimeout(() => { forced = this.child.kill('SIGKILL'); }, STOP_WITHIN_MS);
    this.child.kill('SIGCONT');
    this.child.kill('SIGTERM');
    await ended;
    clearTimeout(hard);
    if (forced) throw new Error(`${this.name} did not stop within ${STOP_WITHIN_MS} ms of SIGTERM:\n${this.log}`);
  }
}

/** A port that was free a moment ago: only for who must know it before the server starts. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** The binary that the Makefile names, else the newest that was built. */
export function binary(): string {
  const named = process.env['HNP_BIN'];
  if (named !== undefined) return path.resolve(ROOT, named);
  const target = path.resolve(ROOT, process.env['CARGO_TARGET_DIR'] ?? 'target');
  const built = ['debug', 'release'].map((profile) => path.join(target, profile, 'hnp')).filter((file) => existsSync(file));
  const newest = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (newest === undefined) throw new Error('error: no hnp binary; cause: nothing was built; try: make e2e');
  return newest;
}

/** Makes the first admin by the link that the server printed, where it printed one: there is somebody else. */
async function setUp(url: string, printed: string): Promise<void> {
  const token = /\/setup\/(\w+)/.exec(printed)?.[1];
  if (token === undefined) return;
  const answer = await fetch(`${url}/setup/${token}`, {
    method: 'POST', headers: { origin: url }, redirect: 'manual',
    body: new URLSearchParams({ user: 'admin', password: PASSWORD, again: PASSWORD }),
  });
  if (answer.status !== 303) throw new Error(`the first admin cannot be made: ${answer.status} ${await answer.text()}`);
}

/** The address that it said it serves at, once it is ready. */
async function findPage(printed: string): Promise<string | undefined> {
  const address = /serves at (https?:\/\/127\.0\.0\.1:\d+)\s/.exec(printed)?.[1];
  if (address === undefined) return undefined;
  try {
    const ready = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(5_000) });
    await ready.body?.cancel();
    return ready.ok ? address : undefined;
  } catch {
    return undefined; // not listening yet
  }
}
