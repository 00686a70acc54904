// The product under test: one `hnp demo` process with its own data folder on its own port.
// Absent: no shared state between two of them, and nothing is stopped but by its own handle.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const READY_WITHIN_MS = 60_000;
/** How long a server may take over SIGTERM; a clean stop is part of what is tested. */
const STOP_WITHIN_MS = 20_000;

/** How to start it. */
export interface HnpOptions {
  /** Further arguments of `hnp demo`. */
  args?: readonly string[];
  /** Further environment. */
  env?: Readonly<Record<string, string>>;
  /** `host:port` to listen on; port 0 finds a free one. */
  listen?: string;
  /** A folder of an earlier run to go on with (with `--keep`). */
  home?: string;
}

/** A running server. */
export class Hnp {
  private constructor(
    /** `http://127.0.0.1:<port>`, without a slash at the end. */
    readonly url: string,
    /** Its working folder; `data/` lies in it. */
    readonly home: string,
    private readonly child: ChildProcess,
    private readonly output: string[],
  ) {}

  /** Starts `hnp demo` and waits until `/readyz` says 200. */
  static async start(options: HnpOptions = {}): Promise<Hnp> {
    const home = options.home ?? mkdtempSync(path.join(tmpdir(), 'hnp-e2e-'));
    const args = ['demo', '--listen', options.listen ?? '127.0.0.1:0', ...(options.args ?? [])];
    const site = process.env['HNP_SITE'];
    const child = spawn(binary(), args, {
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(site === undefined ? {} : { HNP_SITE: path.resolve(ROOT, site) }), HNP_DATA_DIR: path.join(home, 'data'), ...options.env },
    });
    const output: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
    let failure = '';
    child.on('error', (error) => { failure = error.message; });
    try {
      const url = await until('hnp demo is ready', READY_WITHIN_MS, async () => {
        if (failure !== '' || child.exitCode !== null || child.signalCode !== null) {
          throw new Error(`hnp demo ended before it was ready (${failure || (child.signalCode ?? child.exitCode)}):\n${output.join('')}`);
        }
        return findPage(output.join(''));
      });
      return new Hnp(url, home, child, output);
    } catch (error) {
      child.kill('SIGKILL');
      if (options.home === undefined) rmSync(home, { recursive: true, force: true });
      throw new Error(`${(error as Error).message}\n--- its output:\n${output.join('')}`);
    }
  }

  /** The kubeconfig that the demo wrote. */
  get kubeconfig(): string {
    return path.join(this.home, 'data', 'demo.kubeconfig');
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** All that it printed so far. */
  get log(): string {
    return this.output.join('');
  }

  /** Sends a signal: SIGSTOP, SIGCONT, SIGKILL… */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Stops it as a person would and removes its folder. Fails when it does not end cleanly. */
  async stop({ keepHome = false } = {}): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => { this.child.once('exit', resolve); });
      const hard = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
      this.child.kill('SIGCONT');
      this.child.kill('SIGTERM');
      await ended;
      clearTimeout(hard);
      if (this.child.signalCode === 'SIGKILL') {
        throw new Error(`hnp demo did not stop within ${STOP_WITHIN_MS} ms of SIGTERM:\n${this.log}`);
      }
    }
    if (!keepHome) rmSync(this.home, { recursive: true, force: true });
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
function binary(): string {
  const named = process.env['HNP_BIN'];
  if (named !== undefined) return path.resolve(ROOT, named);
  const target = path.resolve(ROOT, process.env['CARGO_TARGET_DIR'] ?? 'target');
  const built = ['debug', 'release'].map((profile) => path.join(target, profile, 'hnp')).filter((file) => existsSync(file));
  const newest = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (newest === undefined) throw new Error('error: no hnp binary; cause: nothing was built; try: make e2e');
  return newest;
}

/** Of the addresses printed so far, the one that serves pages and is ready. (The embedded API server has one too.) */
async function findPage(printed: string): Promise<string | undefined> {
  const addresses = new Set([...printed.matchAll(/https?:\/\/127\.0\.0\.1:[1-9]\d*/g)].map((found) => found[0]));
  for (const address of addresses) {
    try {
      const page = await fetch(address, { signal: AbortSignal.timeout(5_000), redirect: 'manual' });
      await page.body?.cancel();
      const html = (page.headers.get('content-type') ?? '').startsWith('text/html');
      const redirect = page.status >= 300 && page.status < 400;
      if (!html && !redirect) continue;
      const ready = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(5_000) });
      await ready.body?.cancel();
      if (ready.ok) return address;
    } catch {
      // not listening yet, or not ours
    }
  }
  return undefined;
}
