// The cluster as kubectl sees it: requests to the demo's API server with the address and token of the
// kubeconfig that `hnp demo` writes. Own HTTP, so that what the page shows is compared with what an
// outsider did, not with what HNP says about itself.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { parse } from 'yaml';

/** A Kubernetes object as far as tests look into it. */
export interface KubeObject {
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

/** Where the objects of a kind are served: `/apis/<group version>/namespaces/<namespace>/<plural>`. */
export interface Collection {
  api: string;
  plural: string;
  /** Where `create`, `patch` and the like act; `listAll` looks everywhere. */
  namespace: string;
}

/** Switches in namespace `default`. */
export const SWITCHES: Collection = { api: 'wiring.githedgehog.com/v1beta1', plural: 'switches', namespace: 'default' };

interface Kubeconfig {
  'current-context': string;
  contexts: { name: string; context: { cluster: string; user: string } }[];
  clusters: { name: string; cluster: { server: string; 'certificate-authority-data'?: string; 'insecure-skip-tls-verify'?: boolean } }[];
  users: { name: string; user: { token?: string } }[];
}

/** What an embedded API server can be told to do wrong, as its own route takes it. */
export type Fault =
  | { fault: 'heal' | 'compact' | 'refuse' }
  | { fault: 'drop_watches'; end: 'clean' | 'abrupt' }
  | { fault: 'answer_all'; with: 'unauthorized' | 'server_error' }
  | { fault: 'hang'; resource?: string }
  | { fault: 'forbid' | 'permit' | 'remove_crd' | 'restore_crd'; resource: string }
  | { fault: 'malformed'; resource: string; with: 'not_json' | 'half_line' | 'unparsable' | 'no_spec' }
  | { fault: 'gone'; how: 'event' | 'status' };

/** Whom the page names as the author of what a test changes. */
export const MANAGER = 'an-outsider';

/** A client of one API server. */
export class Cluster {
  private constructor(
    private readonly server: URL,
    private readonly token: string | undefined,
    private readonly ca: Buffer | undefined,
  ) {}

  /** Reads the current context (or `context`) of a kubeconfig. */
  static from(kubeconfig: string, context?: string): Cluster {
    const config = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
    const wanted = context ?? config['current-context'];
    const chosen = config.contexts.find(({ name }) => name === wanted)?.context;
    const cluster = config.clusters.find(({ name }) => name === chosen?.cluster)?.cluster;
    const user = config.users.find(({ name }) => name === chosen?.user)?.user;
    if (cluster === undefined) throw new Error(`${kubeconfig}: no cluster for context "${wanted}"`);
    const ca = cluster['certificate-authority-data'];
    return new Cluster(new URL(cluster.server), user?.token, ca === undefined ? undefined : Buffer.from(ca, 'base64'));
  }

  async list(of: Collection): Promise<KubeObject[]> {
    const { items } = await this.send<{ items: KubeObject[] }>('GET', collection(of));
    return items;
  }

  /** The objects of a kind in all namespaces. */
  async listAll({ api, plural }: Collection): Promise<KubeObject[]> {
    const { items } = await this.send<{ items: KubeObject[] }>('GET', `/apis/${api}/${plural}`);
    return items;
  }

  async get(of: Collection, name: string): Promise<KubeObject> {
    return this.send('GET', `${collection(of)}/${name}`);
  }

  async create(of: Collection, object: object): Promise<KubeObject> {
    return this.send('POST', `${collection(of)}?fieldManager=${MANAGER}`, object);
  }

  /** Server-side apply: creates it or makes it so. */
  async apply(of: Collection, name: string, object: object): Promise<KubeObject> {
    return this.send('PATCH', `${collection(of)}/${name}?fieldManager=${MANAGER}&force=true`, object, 'application/apply-patch+yaml');
  }

  /** A JSON merge patch, as `kubectl patch --type merge`. */
  async patch(of: Collection, name: string, change: object): Promise<KubeObject> {
    return this.send('PATCH', `${collection(of)}/${name}?fieldManager=${MANAGER}`, change, 'application/merge-patch+json');
  }

  async remove(of: Collection, name: string): Promise<void> {
    await this.send('DELETE', `${collection(of)}/${name}`);
  }

  /** Makes an embedded API server that was started with `--faults` misbehave; its own route is never spoilt. */
  async fault(fault: Fault): Promise<void> {
    await this.send('POST', '/hnp-sim/faults', fault);
  }

  /** Any request, for what has no method of its own. */
  async send<T>(method: string, path: string, body?: object, type = 'application/json'): Promise<T> {
    const base = this.server.pathname.replace(/\/$/, '');
    const options: https.RequestOptions = {
      method,
      host: this.server.hostname,
      port: this.server.port,
      path: `${base}${path}`,
      timeout: 30_000,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': type }),
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
      },
      ...(this.ca === undefined ? {} : { ca: this.ca }),
    };
    return new Promise((resolve, reject) => {
      const request = (this.server.protocol === 'https:' ? https : http).request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(JSON.parse(text) as T);
          else reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 500)}`));
        });
      });
      request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

function collection({ api, plural, namespace }: Collection): string {
  return `/apis/${api}/namespaces/${namespace}/${plural}`;
}
