// A real Kubernetes API server for tests, where one is at hand: started, paused, ended and started again by
// the scripts of `tools/kube` in the folder of shared things beside the repository.
// Absent: no process that outlives `stop`, and nothing is installed.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { Cluster, type KubeObject } from './cluster.ts';
import { freePort, binary, ROOT } from './hnp.ts';
import { ALL } from './kinds.ts';
import { until } from './until.ts';

const run = promisify(execFile);
const SHARED = path.resolve(ROOT, '..', 'shared');
const SCRIPTS = path.join(SHARED, 'tools', 'kube');
const SAMPLES = process.env['HNP_TEST_SAMPLES'] ?? path.join(SHARED, 'samples');
const SOON_MS = 60_000;
const PORTS_TO_TRY = 5;

/** Why there is none here, or nothing. */
export function missing(): string | undefined {
  return existsSync(path.join(SCRIPTS, 'up.sh')) ? undefined : `there is no ${path.relative(ROOT, SCRIPTS)}/up.sh, which starts a real API server`;
}

/** A running server with its etcd. */
export class RealServer {
  private constructor(private readonly home: string, private readonly port: number) {}

  static async start(): Promise<RealServer> {
    for (let tries = 1; ; tries += 1) {
      // Two further ports beside it belong to etcd; whether those are free is known once it has tried.
      const server = new RealServer(mkdtempSync(path.join(tmpdir(), 'hnp-e2e-real-')), await freePort());
      try {
        await server.up();
        return server;
      } catch (error) {
        await server.stop().catch(() => undefined);
        if (tries === PORTS_TO_TRY || !String(error).includes('address already in use')) throw error;
      }
    }
  }

  /** Of a cluster admin, with a token. */
  get kubeconfig(): string {
    return path.join(this.home, 'kubeconfig.admin');
  }

  get cluster(): Cluster {
    return Cluster.from(this.kubeconfig);
  }

  async up(): Promise<void> {
    await run(path.join(SCRIPTS, 'up.sh'), ['crd', this.home, `${this.port}`]);
  }

  /** Ends API server and etcd; what they hold stays for `up`. */
  async down(): Promise<void> {
    await run(path.join(SCRIPTS, 'down.sh'), [this.home]);
  }

  /** Sends a signal to the API server: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    process.kill(Number(readFileSync(path.join(this.home, 'apiserver.pid'), 'utf8').trim()), signal);
  }

  async stop(): Promise<void> {
    await this.down();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Installs what `hnp crds` prints and waits until it is served. */
  async installCrds(): Promise<void> {
    const { stdout } = await run(binary(), ['crds'], { maxBuffer: 64 << 20 });
    const cluster = this.cluster;
    for (const document of parseAllDocuments(stdout)) {
      const crd = document.toJS() as KubeObject | null;
      if (crd === null) continue;
      await cluster.send('PATCH', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}?fieldManager=e2e&force=true`, crd, 'application/apply-patch+yaml');
    }
    for (const kind of ALL) {
      await until(`${kind.plural} are served`, SOON_MS, async () => (await cluster.listAll(kind).catch(() => undefined)) !== undefined);
    }
  }

  /** Loads the sample objects, or a handful where there are none; says how many. */
  async load(): Promise<number> {
    const files = ['valid', 'profiles', 'agents'].flatMap((folder) => {
      const at = path.join(SAMPLES, folder);
      return existsSync(at) ? readdirSync(at).filter((file) => file.endsWith('.yaml')).map((file) => path.join(at, file)) : [];
    });
    const objects = files.flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as KubeObject & { kind: string } | null));
    let loaded = 0;
    for (const object of objects.length > 0 ? objects : handful()) {
      const kind = ALL.find(({ kind }) => kind === object?.kind);
      if (object === null || kind === undefined) continue;
      await this.cluster.create({ ...kind, namespace: object.metadata.namespace ?? 'default' }, object);
      loaded += 1;
    }
    return loaded;
  }
}

/** One of each of the twelve kinds, as little as their definitions ask for. */
function handful(): (KubeObject & { kind: string })[] {
  const specs: Record<string, Record<string, unknown>> = {
    IPv4Namespace: { subnets: ['10.0.0.0/16'] },
    VLANNamespace: { ranges: [{ from: 1_000, to: 2_999 }] },
    SwitchGroup: {},
    Switch: { role: 'server-leaf', profile: 'vs', description: 'a leaf', boot: { serial: 'S1' } },
    Server: { description: 'a server' },
    Connection: { unbundled: { link: { server: { port: 'one/enp2s1' }, switch: { port: 'one/E1/1' } } } },
    VPC: { subnets: { web: { subnet: '10.0.1.0/24', vlan: 1_001 } } },
    VPCAttachment: { connection: 'one', subnet: 'one/web' },
    VPCPeering: { permit: [{ one: {}, two: {} }] },
    External: { ipv4Namespace: 'one', inboundCommunity: '65102:5000', outboundCommunity: '50000:50001' },
    ExternalAttachment: { connection: 'one', external: 'one', neighbor: { asn: 65_102, ip: '100.100.0.6' }, switch: { ip: '100.100.0.1/24', vlan: 100 } },
    ExternalPeering: { permit: { vpc: { name: 'one', subnets: ['web'] }, external: { name: 'one', prefixes: [{ prefix: '0.0.0.0/0' }] } } },
  };
  return Object.entries(specs).map(([kind, spec]) => {
    const api = ALL.find((one) => one.kind === kind)?.api ?? '';
    return { apiVersion: api, kind, metadata: { name: 'one', namespace: 'default' }, spec };
  });
}
