// The gate is a tool that other tests trust, so it has tests of its own. No browser, no HNP.
import http, { type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test as base } from '@playwright/test';
import { Gate } from './gate.ts';
import { until } from './until.ts';

const SOON_MS = 30_000;

/** An answer as it comes in. */
class Answer {
  text = '';
  status = 0;
  ended = false;

  private constructor(request: http.ClientRequest) {
    request.on('response', (answer) => {
      this.status = answer.statusCode ?? 0;
      answer.setEncoding('utf8').on('data', (text: string) => { this.text += text; });
      answer.on('error', () => undefined);
      answer.on('close', () => { this.ended = true; });
    });
    request.on('error', () => { this.ended = true; });
  }

  static ask(url: string, path: string): Answer {
    const request = http.request(`${url}${path}`, { method: 'POST', agent: false });
    const answer = new Answer(request);
    request.end('hello');
    return answer;
  }
}

/** What became of an upgrade: the status, and what was said after it. */
class Upgrade {
  status = 0;
  heard = '';
  ended = false;
  say: (text: string) => void = () => undefined;

  static ask(url: string): Upgrade {
    const upgrade = new Upgrade();
    const request = http.request(`${url}/api/v1/live`, { agent: false, headers: { connection: 'upgrade', upgrade: 'echo' } });
    const answered = (answer: IncomingMessage): void => { upgrade.status = answer.statusCode ?? 0; };
    request.on('response', (answer) => {
      answered(answer);
      answer.resume();
    });
    request.on('upgrade', (answer, socket) => {
      answered(answer);
      socket.setEncoding('utf8').on('data', (text: string) => { upgrade.heard += text; });
      socket.on('error', () => undefined);
      socket.on('close', () => { upgrade.ended = true; });
      upgrade.say = (text) => { socket.write(text); };
    });
    request.on('error', () => { upgrade.ended = true; });
    request.end();
    return upgrade;
  }
}

const test = base.extend<{ gate: Gate }>({
  gate: async ({}, use) => {
    // Says its first word at once and the rest when asked for the end; upgrades to an echo.
    const streams: http.ServerResponse[] = [];
    const server = http.createServer((request, response) => {
      request.resume();
      if (request.url === '/end') {
        for (const stream of streams.splice(0)) stream.end('last');
        response.end('ended');
      } else {
        response.write('first ');
        streams.push(response);
      }
    });
    server.on('upgrade', (_request, socket) => {
      socket.on('error', () => socket.destroy());
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const gate = await Gate.listen();
    gate.target((server.address() as AddressInfo).port);
    await use(gate);
    await gate.close();
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  },
});

test('the gate passes streams as they come and upgrades both ways', async ({ gate }) => {
  const stream = Answer.ask(gate.url, '/api/v1/live/sse');
  await until('the first word', SOON_MS, () => stream.text === 'first ');
  expect(stream.ended).toBe(false);
  Answer.ask(gate.url, '/end');
  await until('the whole stream', SOON_MS, () => stream.ended && stream.text === 'first last');
  const socket = Upgrade.ask(gate.url);
  await until('the upgrade', SOON_MS, () => socket.status === 101);
  socket.say('echo');
  await until('the echo', SOON_MS, () => socket.heard === 'echo');
  expect([gate.count('sse'), gate.count('ws'), gate.count('other')]).toEqual([1, 1, 1]);
});

test('what it refuses is answered, and only that', async ({ gate }) => {
  gate.rule('ws', 'refuse');
  gate.rule('poll', 'refuse');
  const [socket, poll, stream] = [Upgrade.ask(gate.url), Answer.ask(gate.url, '/api/v1/live/poll?wait=25'), Answer.ask(gate.url, '/api/v1/live/sse')];
  await until('the refusals', SOON_MS, () => socket.status === 501 && poll.status === 502 && poll.ended);
  await until('the stream', SOON_MS, () => stream.status === 200 && stream.text === 'first ');
});

test('what it holds is delivered when it is complete, and no frame ever', async ({ gate }) => {
  gate.rule('sse', 'hold');
  gate.rule('ws', 'hold');
  const [held, socket] = [Answer.ask(gate.url, '/api/v1/live/sse'), Upgrade.ask(gate.url)];
  await until('the upgrade', SOON_MS, () => socket.status === 101);
  socket.say('never heard');
  // A second one goes all the way there and back, so the first could have.
  gate.rule('ws', 'pass');
  const other = Upgrade.ask(gate.url);
  await until('the other upgrade', SOON_MS, () => other.status === 101);
  other.say('heard');
  await until('the other echo', SOON_MS, () => other.heard === 'heard');
  expect([socket.heard, socket.ended, held.status]).toEqual(['', false, 0]);
  Answer.ask(gate.url, '/end');
  await until('all of it', SOON_MS, () => held.text === 'first last');
});

test('it cuts what is open of one way, and by itself what lasts too long', async ({ gate }) => {
  const [stream, socket] = [Answer.ask(gate.url, '/api/v1/live/sse'), Upgrade.ask(gate.url)];
  await until('both', SOON_MS, () => stream.text === 'first ' && socket.status === 101);
  gate.cut('sse');
  await until('the end of the stream', SOON_MS, () => stream.ended);
  expect(socket.ended).toBe(false);
  gate.lifetime(100);
  const short = Upgrade.ask(gate.url);
  await until('its end', SOON_MS, () => short.status === 101 && short.ended);
  expect(gate.cuts).toBe(1);
  expect(socket.ended, 'what began before is not counted').toBe(false);
});
