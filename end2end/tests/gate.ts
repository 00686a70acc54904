// An HTTP proxy that a test owns: between browser and server it treats each way of the live link by itself, as
// proxies in the wild do: refusing upgrades, answering errors, buffering, swallowing frames, cutting after a while.
// Absent: no knowledge of frames, and no connection that outlives `close`.
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** What a request is for: the live link by one of its ways, or anything else. */
export type Way = 'ws' | 'sse' | 'poll' | 'other';

/**
 * What happens to requests of a way from now on.
 * `pass`: through. `refuse`: answered by the proxy (501 to an upgrade, 502 to others).
 * `hold`: sent on, and what comes back is kept: an answer is delivered only when it is complete, an upgrade
 * succeeds and no frame is delivered in either direction.
 */
export type Rule = 'pass' | 'refuse' | 'hold';

const WAYS: readonly Way[] = ['ws', 'sse', 'poll', 'other'];
/** Headers that are about one hop only. */
const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);

interface Passing {
  way: Way;
  end: () => void;
}

/** A proxy on a port of its own. */
export class Gate {
  private readonly rules = new Map<Way, Rule>();
  private readonly asked = new Map<Way, number>();
  private readonly passing = new Set<Passing>();
  private longest: number | undefined;
  private aged = 0;
  private pageCaching: string | undefined;
  private targetPort: number | undefined;

  private constructor(private readonly server: http.Server) {
    server.on('request', (request, response) => { this.answer(request, response); });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => { this.upgrade(request, socket, head); });
  }

  /** Begins to listen on a free port of 127.0.0.1. */
  static async listen(): Promise<Gate> {
    const server = http.createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Gate(server);
  }

  /** `http://127.0.0.1:<port>`. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Sends what arrives to this port of 127.0.0.1. */
  target(port: number): void {
    this.targetPort = port;
  }

  /** What happens to requests of this way from now on. Those that are open go on until `cut`. */
  rule(way: Way, rule: Rule): void {
    this.rules.set(way, rule);
  }

  /** Requests of this way so far, refused ones included. */
  count(way: Way): number {
    return this.asked.get(way) ?? 0;
  }

  /** Ends what is open of this way, without a word. */
  cut(way: Way): void {
    for (const one of [...this.passing]) if (one.way === way) one.end();
  }

  /** How many lasted too long and were cut. */
  get cuts(): number {
    return this.aged;
  }

  /** Cuts every answer and connection that lasts longer, those that begin from now on; none: nothing. */
  lifetime(milliseconds: number | undefined): void {
    this.longest = milliseconds;
  }

  /** Says this of every page's caching (`cache-control`) in place of what the server says. */
  cachePages(how: string): void {
    this.pageCaching = how;
  }

  /** Ends it all. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => { this.server.close(resolve); });
    for (const way of WAYS) this.cut(way);
    this.server.closeAllConnections();
    await closed;
  }

  private enter(request: IncomingMessage): readonly [Way, Rule] {
    const way = wayOf(request);
    this.asked.set(way, this.count(way) + 1);
    return [way, this.rules.get(way) ?? 'pass'];
  }

  /** Remembers what is open; returns what to call when it ends. */
  private track(way: Way, end: () => void): () => void {
    const one = { way, end };
    this.passing.add(one);
    const tooOld = (): void => {
      this.aged += 1;
      end();
    };
    const due = this.longest === undefined || way === 'other' ? undefined : setTimeout(tooOld, this.longest);
    return () => {
      clearTimeout(due);
      this.passing.delete(one);
    };
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const [way, rule] = this.enter(request);
    if (rule === 'refuse' || this.targetPort === undefined) {
      request.resume();
      response.writeHead(502, { 'content-type': 'text/plain' }).end('the gate is shut\n');
      return;
    }
    const { method, url, headers } = request;
    const onward = http.request({ host: '127.0.0.1', port: this.targetPort, method, path: url, headers: oneHop(headers), agent: false });
    const left = this.track(way, () => {
      response.destroy();
      onward.destroy();
    });
    response.on('close', () => {
      left();
      onward.destroy();
    });
    onward.on('error', () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502, { 'content-type': 'text/plain' }).end('nobody answers behind the gate\n');
    });
    onward.on('response', (answer) => {
      const isPage = answer.headers['content-type']?.startsWith('text/html') === true;
      if (isPage && this.pageCaching !== undefined) answer.headers['cache-control'] = this.pageCaching;
      deliver(answer, response, rule === 'hold');
    });
    request.pipe(onward);
  }

  private upgrade(request: IncomingMessage, client: Duplex, head: Buffer): void {
    const [way, rule] = this.enter(request);
    client.on('error', () => { client.destroy(); });
    if (rule === 'refuse' || this.targetPort === undefined) {
      client.end('HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const server = net.connect({ host: '127.0.0.1', port: this.targetPort, noDelay: true });
    const left = this.track(way, () => {
      client.destroy();
      server.destroy();
    });
    for (const side of [client, server]) {
      side.on('error', () => { side.destroy(); });
      side.on('close', () => {
        left();
        client.destroy();
        server.destroy();
      });
    }
    server.write(`${request.method} ${request.url} HTTP/1.1\r\n${rawHeaders(request)}\r\n`);
    if (rule === 'hold') {
      client.on('data', () => undefined);
      untilBlankLine(server, client);
    } else {
      if (head.length > 0) server.write(head);
      client.pipe(server);
      server.pipe(client);
    }
  }
}

function wayOf({ url, headers }: IncomingMessage): Way {
  const { pathname } = new URL(url ?? '/', 'http://gate');
  if (headers.upgrade !== undefined) return 'ws';
  if (pathname === '/api/v1/live/sse') return 'sse';
  return pathname === '/api/v1/live/poll' ? 'poll' : 'other';
}

function oneHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP.has(name)));
}

function rawHeaders({ rawHeaders }: IncomingMessage): string {
  let text = '';
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  return text;
}

/** Passes an answer on as it comes, or all of it once it is complete. */
function deliver(answer: IncomingMessage, response: ServerResponse, whole: boolean): void {
  answer.on('error', () => { response.destroy(); });
  const head = (): void => { response.writeHead(answer.statusCode ?? 502, oneHop(answer.headers)); };
  if (!whole) {
    head();
    response.flushHeaders();
    answer.on('close', () => { if (!answer.complete) response.destroy(); });
    answer.pipe(response);
    return;
  }
  const chunks: Buffer[] = [];
  answer.on('data', (chunk: Buffer) => chunks.push(chunk));
  answer.on('end', () => {
    head();
    response.end(Buffer.concat(chunks));
  });
}

/** Passes the head of an answer on, and nothing after it. */
function untilBlankLine(server: net.Socket, client: Duplex): void {
  let seen = '';
  server.on('data', (chunk: Buffer) => {
    if (seen.includes('\r\n\r\n')) return;
    seen += chunk.toString('latin1');
    const end = seen.indexOf('\r\n\r\n');
    if (end >= 0) client.write(Buffer.from(seen.slice(0, end + 4), 'latin1'));
  });
}
