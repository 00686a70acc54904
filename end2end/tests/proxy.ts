// A TCP proxy that a test owns: between browser and server it cuts, swallows, refuses and delays, which a
// browser's own offline switch does not do to an open WebSocket.
// Absent: no knowledge of HTTP, and no connection that outlives `close`.
import net from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * What happens to traffic.
 * `pass`: through. `swallow`: connections stay open and nothing arrives in either direction.
 * `refuse`: nobody listens (connection refused); open connections go on until `cut`.
 */
export type Mode = 'pass' | 'swallow' | 'refuse';

/** A proxy on a port of its own. */
export class TcpProxy {
  private readonly pairs = new Set<readonly [net.Socket, net.Socket]>();
  /** Sockets of connections that were stranded. */
  private readonly stranded = new WeakSet<net.Socket>();
  private server: net.Server | undefined;
  private mode: Mode = 'pass';
  private delay = 0;
  private targetPort: number | undefined;
  private accepted = 0;

  private constructor(readonly port: number) {}

  /** Begins to listen on a free port of 127.0.0.1. Until `target` is called, connections are closed at once. */
  static async listen(): Promise<TcpProxy> {
    const server = net.createServer();
    await listening(server, 0);
    const proxy = new TcpProxy((server.address() as AddressInfo).port);
    proxy.adopt(server);
    return proxy;
  }

  /** `http://127.0.0.1:<port>`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.accepted;
  }

  /** Connections open now. */
  get open(): number {
    return this.pairs.size;
  }

  /** Sends what arrives to this port of 127.0.0.1, from the next connection on. */
  target(port: number): void {
    this.targetPort = port;
  }

  /** Changes what happens from now on, to open connections as well. What was swallowed stays lost. */
  async become(mode: Mode): Promise<void> {
    this.mode = mode;
    if (mode === 'refuse') {
      // `close` stops listening at once; its callback waits for open connections, we do not.
      this.server?.close();
      this.server = undefined;
    } else if (this.server === undefined) {
      const server = net.createServer();
      await listening(server, this.port);
      this.adopt(server);
    }
  }

  /** Holds each chunk back for so many milliseconds, in order; 0 sends at once. */
  slow(milliseconds: number): void {
    this.delay = milliseconds;
  }

  /** Resets every open connection. */
  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
    this.pairs.clear();
  }

  /** Forgets every open connection as a network does that was away: it stays open, and silent for ever. */
  strand(): void {
    for (const pair of this.pairs) for (const socket of pair) this.stranded.add(socket);
  }

  /** Ends it all. */
  async close(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    const closed = server === undefined ? undefined : new Promise((resolve) => { server.close(resolve); });
    this.cut();
    await closed;
  }

  private adopt(server: net.Server): void {
    this.server = server;
    server.on('connection', (client) => { this.accept(client); });
  }

  private accept(client: net.Socket): void {
    this.accepted += 1;
    if (this.targetPort === undefined) {
      client.destroy();
      return;
    }
    const server = net.connect({ host: '127.0.0.1', port: this.targetPort });
    const pair = [client, server] as const;
    this.pairs.add(pair);
    this.pipe(client, server);
    this.pipe(server, client);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => { socket.destroy(); });
      socket.on('close', () => { this.closed(pair); });
    }
  }

  /** A closed side ends the other one, unless silence is what is being played. */
  private closed(pair: readonly [net.Socket, net.Socket]): void {
    const silent = this.mode === 'swallow' || this.stranded.has(pair[0]);
    if (!silent || pair.every((socket) => socket.destroyed)) {
      for (const socket of pair) socket.destroy();
      this.pairs.delete(pair);
    }
  }

  private pipe(from: net.Socket, to: net.Socket): void {
    let order = Promise.resolve();
    const inOrder = (deliver: () => void): void => {
      const wait = this.delay;
      if (wait === 0 && this.mode === 'pass') {
        order = order.then(deliver);
        return;
      }
      const due = new Promise<void>((resolve) => { setTimeout(resolve, wait); });
      order = order.then(() => due).then(deliver);
    };
    from.on('data', (chunk: Buffer) => {
      if (this.mode === 'swallow' || this.stranded.has(from)) return;
      inOrder(() => { if (!to.destroyed && to.writable) to.write(chunk); });
    });
    from.on('end', () => {
      if (this.mode === 'swallow' || this.stranded.has(from)) return;
      inOrder(() => { if (!to.destroyed && to.writable) to.end(); });
    });
  }
}

function listening(server: net.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}
