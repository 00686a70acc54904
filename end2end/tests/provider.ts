// An identity provider in a process of its own (`provider.mjs`): by another host name than the server, so that
// the browser takes the two for different sites.
// Absent: nothing is stopped but by its own handle.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, ROOT } from './hnp.ts';
import { until } from './until.ts';

const READY_WITHIN_MS = 60_000;
const SECRET = 'a secret between two servers';

/** A running provider. */
export class Provider {
  private constructor(
    /** Its address, with `localhost` as host. */
    readonly issuer: string,
    /** The port on which the server must listen that people come from. */
    readonly hnpPort: number,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(): Promise<Provider> {
    const [port, hnpPort] = [await freePort(), await freePort()];
    const issuer = `http://localhost:${port}`;
    const folder = mkdtempSync(path.join(tmpdir(), 'hnp-e2e-oidc-'));
    writeFileSync(path.join(folder, 'secret'), SECRET, { mode: 0o600 });
    const script = path.join(ROOT, 'end2end', 'provider.mjs');
    const child = spawn(process.execPath, [script, issuer, SECRET, `http://127.0.0.1:${hnpPort}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
    const provider = new Provider(issuer, hnpPort, folder, child);
    try {
      await until('the identity provider listens', READY_WITHIN_MS, () => {
        if (provider.ended) throw new Error('the identity provider ended');
        return output.join('').includes(`listens as ${issuer}`);
      });
    } catch (error) {
      await provider.stop();
      throw new Error(`${(error as Error).message}\n--- its output:\n${output.join('')}`);
    }
    return provider;
  }

  /** Host and port, as people are told of it. */
  get host(): string {
    return new URL(this.issuer).host;
  }

  /** The environment of a server that lets people in through it. */
  get env(): Record<string, string> {
    return {
      HNP_PUBLIC_URL: `http://127.0.0.1:${this.hnpPort}`,
      HNP_OIDC_ISSUER: this.issuer,
      HNP_OIDC_CLIENT_ID: 'hnp',
      HNP_OIDC_CLIENT_SECRET_FILE: path.join(this.folder, 'secret'),
      HNP_OIDC_SCOPES: 'openid,profile,groups',
      HNP_OIDC_OPERATOR_VALUES: 'demo:netops',
    };
  }

  private get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async stop(): Promise<void> {
    if (!this.ended) {
      const ended = new Promise((resolve) => { this.child.once('exit', resolve); });
      this.child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
