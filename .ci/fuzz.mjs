// Holds a running demo against its own description: node .ci/fuzz.mjs BINARY SITE [MAX_EXAMPLES]
// Starts `hnp demo` on a free port with data of its own, signs in, makes a token and has schemathesis send what the
// description allows and what it does not: no 5xx, no status and no body that is not described, no route that
// forgets to ask who somebody is. The same seed each time; HNP_FUZZ_SEED=random (or a number) for another.
// Left out: revoking tokens, since it finds its own among them and would go on as nobody.
// Absent: nothing is installed here (that is `.ci/setup test`); the live link is left to its own tests, since it
// streams.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [binary, site, examples = '12'] = process.argv.slice(2);
// Absolute: it is started in a folder of its own.
const tool = path.resolve(process.env.CARGO_TARGET_DIR ?? 'target', 'fuzz', 'bin', 'schemathesis');
if (!fs.existsSync(tool)) {
  console.log('fuzz: SKIPPED (schemathesis is not installed: `.ci/setup test` installs it where PyPI can be reached)');
  process.exit(0);
}

const CHECKS = [
  'not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance',
  'response_schema_conformance', 'unsupported_method', 'allow_header_conformance', 'ignored_auth',
];
const seeds = { random: String(Math.floor(Math.random() * 1e9)) };
const seed = seeds[process.env.HNP_FUZZ_SEED] ?? process.env.HNP_FUZZ_SEED ?? '20261124';
const DEADLINE_MS = 180_000;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnp-fuzz-'));
const log = path.join(folder, 'server.log');
const out = fs.openSync(log, 'w');
const server = spawn(binary, ['demo', '--listen', '127.0.0.1:0', '--data-dir', folder, '--churn', '0'], {
  env: { ...process.env, HNP_SITE: site, HNP_LOG: 'warn' }, stdio: ['ignore', out, out],
});
let code = 1;
try {
  const base = await address();
  const token = await signIn(base);
  code = fuzz(base, token);
  // A fuzzer that lost its token tests nothing but the door.
  const still = await fetch(`${base}/api/v1/users`, { headers: { authorization: `Bearer ${token}` } });
  if (!still.ok) throw new Error(`at the end the token is refused: ${still.status} ${await still.text()}`);
  if (code !== 0) console.log(`fuzz: failed with seed ${seed}; again: HNP_FUZZ_SEED=${seed} make fuzz`);
} catch (error) {
  console.log(`fuzz: ${error.message}\n${tail(log)}`);
} finally {
  server.kill('SIGTERM');
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(code === 0 ? 'check: ok fuzz' : 'check: FAILED fuzz');
process.exit(code);

async function address() {
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    const found = /HNP serves at (http:\S+)/.exec(fs.readFileSync(log, 'utf8'));
    if (found) return found[1];
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the server did not say where it serves within a minute');
}

async function signIn(base) {
  const post = async (at, body, headers) => {
    const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', origin: base, ...headers } };
    const answer = await fetch(base + at, init);
    if (!answer.ok) throw new Error(`POST ${at}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const signedIn = await post('/api/v1/session', { user: 'admin', password: 'hnp-demo' });
  const cookie = signedIn.headers.get('set-cookie').split(';')[0];
  const made = await post('/api/v1/tokens', { label: 'fuzz', expires_in: '12h' }, { cookie });
  return (await made.json()).token;
}

function fuzz(base, token) {
  const run = spawnSync(tool, [
    'run', `${base}/api/v1/openapi.json`, '--header', `Authorization: Bearer ${token}`, '--no-color',
    '--phases', 'examples,coverage,fuzzing', '--checks', CHECKS.join(','), '--max-examples', examples,
    '--exclude-path-regex', '^/api/v1/live', '--exclude-operation-id', 'delete_tokens_id', '--seed', seed, '--request-timeout', '20', '--workers', '2',
    '--suppress-health-check', 'all', '--warnings', 'off', '--continue-on-failure', '--generation-database', 'none',
  ], { encoding: 'utf8', cwd: folder, timeout: DEADLINE_MS, maxBuffer: 64 << 20 });
  const said = `${run.stdout ?? ''}${run.stderr ?? ''}`;
  console.log(run.status === 0 ? said.trim().split('\n').slice(-25).join('\n') : said);
  if (run.error) throw new Error(`schemathesis did not end within ${DEADLINE_MS / 1000} s, or did not start: ${run.error.message}`);
  return run.status ?? 1;
}

function tail(file) {
  return fs.readFileSync(file, 'utf8').split('\n').slice(-20).join('\n');
}
