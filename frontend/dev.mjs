// `make dev`: builds the server and the client with the fast profile, runs `hnp demo`, and does it again
// whenever a source changes. Arguments go to `hnp demo`. Reload the page by hand.
// Looks at modification times twice a second: the same on every system, with nothing to install.
// Absent: no change of a file, no killing of a process that it did not start.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const TARGET = path.resolve(ROOT, process.env.CARGO_TARGET_DIR || 'target');
const SITE = path.join(TARGET, 'site-dev');
const WATCHED = ['app', 'frontend', 'server', 'style', 'public', 'Cargo.toml', 'Cargo.lock'];
const LOOK_EVERY_MS = 500;
/** How long the server may take to close its connections before it is stopped the hard way. */
const STOP_WITHIN_MS = 10_000;

let server = null;

/** The newest modification below the watched places: their names and times in one string. */
function fingerprint(place = '', entries = WATCHED) {
  return entries.map((name) => {
    const relative = path.join(place, name);
    const stat = fs.statSync(path.join(ROOT, relative), { throwIfNoEntry: false });
    if (!stat || name === 'target' || name === 'node_modules') return '';
    return stat.isDirectory() ? fingerprint(relative, fs.readdirSync(path.join(ROOT, relative))) : `${relative}@${stat.mtimeMs}`;
  }).join('\n');
}

function step(program, ...args) {
  return spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' }).status === 0;
}

function build() {
  return step(process.execPath, 'frontend/build.mjs', '--profile', 'dev', '--out', SITE)
    && step('cargo', 'build', '--workspace', '--exclude', 'frontend', '--features', 'app/ssr', '--bin', 'hnp');
}

function start() {
  server = spawn(path.join(TARGET, 'debug', 'hnp'), ['demo', ...process.argv.slice(2)],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, HNP_SITE: SITE } });
  server.on('exit', (code) => { if (code) console.error(`dev: the server ended with code ${code}; waiting for a change`); });
}

async function stop() {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => { server.once('exit', resolve); });
  const hard = setTimeout(() => server.kill('SIGKILL'), STOP_WITHIN_MS);
  server.kill('SIGTERM');
  await ended;
  clearTimeout(hard);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, async () => { await stop(); process.exit(0); });

let seen = '';
for (;;) {
  const now = fingerprint();
  if (now !== seen) {
    seen = now;
    if (build()) {
      await stop();
      start();
    } else {
      console.error('dev: the build failed; waiting for a change');
    }
  }
  await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
}
