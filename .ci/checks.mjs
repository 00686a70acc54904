// Checks over the shape of the repository that need no compiler: node .ci/checks.mjs WHAT
//   licences  every crate's licence is allowed; crates of which there must be one are there once;
//             nothing refused is linked (lists: .cargo/deny.toml and SINGLE below)
//   floors    who may depend on whom, by crate (cargo tree) and by module (`use crate::…`); lengths of files
//   size      what a first visit transfers, in brotli bytes, against the budget (needs a release client)
// Each problem is one line that says what to do; exit code 1 if there is any.
// Absent: no network, no package, no change to any file.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(ROOT);

/** Two incompatible versions of one of these mean types that do not meet or a second copy of much code. */
const SINGLE = ['leptos', 'leptos_axum', 'leptos_meta', 'leptos_router', 'server_fn', 'reactive_graph', 'tachys', 'axum', 'axum-core',
  'kube', 'kube-client', 'k8s-openapi', 'tokio', 'hyper', 'http', 'tower', 'rustls', 'serde', 'wasm-bindgen', 'gloo-net', 'tungstenite', 'clap'];
/** First visit: WASM + JS + CSS, brotli. The figure of the project's budgets. */
const FIRST_VISIT_BYTES = 450_000;
const FILE_LINES = 600;

/** Direct dependencies (normal, own target) that a crate may have; `null` = not limited by a list. */
const DIETS = {
  domain: { only: ['schemars', 'serde', 'serde_json', 'serde_path_to_error', 'sha2', 'thiserror'] },
  app: { never: ['axum', 'kube', 'engine', 'sim', 'server'] },
  engine: { never: ['leptos', 'axum', 'app', 'server', 'sim'] },
  sim: { never: ['kube', 'engine', 'server', 'app', 'leptos'] },
  server: { never: ['kube', 'sqlx', 'git2', 'frontend'] },
};
/** What must not reach the browser, at any depth. */
const NOT_IN_THE_BROWSER = ['tokio', 'kube', 'axum', 'hyper', 'engine', 'sim', 'server'];

/** Curtains: in this folder, files of a room never say `use crate::<other>` (or `crate::<other>::`). */
const CURTAINS = [
  { src: 'app/src', room: 'ui', never: ['api', 'live', 'page', 'form'] },
  { src: 'app/src', room: 'form', never: ['page'] },
  { src: 'app/src', room: 'live', never: ['page'] },
  ...['cluster', 'git', 'store', 'bus'].map((room) => ({
    src: 'server/engine/src', room, never: ['cluster', 'git', 'store', 'bus', 'hub', 'keeper', 'command'].filter((other) => other !== room),
  })),
  { src: 'server/src', room: 'web', never: ['cli', 'run'] },
];

// A developer's lock file may lag behind a manifest for a moment; CI's may not.
const LOCKED = process.env.CI ? ['--locked'] : [];

const problems = [];
const problem = (text) => problems.push(text);

function cargo(...args) {
  try {
    return execFileSync('cargo', args, { encoding: 'utf8', maxBuffer: 256 << 20, stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (failure) {
    console.error(`error: cannot ask cargo about the crates; cause: cargo ${args[0]} ended with code ${failure.status ?? failure.code}; try: cargo ${args[0]} by hand; where it speaks of the lock file, commit Cargo.lock`);
    process.exit(2);
  }
}

function metadata() {
  return JSON.parse(cargo('metadata', '--format-version', '1', ...LOCKED));
}

/** The strings of the first array called `key` in a section of our own TOML (comments allowed). */
function listFrom(toml, section, key) {
  const body = toml.split(/^\[/m).find((part) => part.startsWith(`${section}]`)) ?? '';
  const array = new RegExp(`^${key} = \\[([^\\]]*)\\]`, 'm').exec(body)?.[1] ?? '';
  return [...array.replace(/#.*$/gm, '').matchAll(/"([^"]+)"/g)].map((found) => found[1]);
}

/** Does an SPDX expression hold when only `allowed` licences may be chosen? `/` is the old way to write OR. */
function licensed(expression, allowed) {
  const tokens = expression.replaceAll('/', ' OR ').match(/\(|\)|[^\s()]+/g) ?? [];
  let at = 0;
  const atom = () => {
    if (tokens[at] === '(') {
      at += 1;
      const inner = either();
      at += 1; // the closing bracket
      return inner;
    }
    let name = tokens[at];
    at += 1;
    if (tokens[at] === 'WITH') {
      name = `${name} WITH ${tokens[at + 1]}`;
      at += 2;
    }
    return allowed.has(name);
  };
  const both = () => {
    let holds = atom();
    while (tokens[at] === 'AND') { at += 1; holds = atom() && holds; }
    return holds;
  };
  function either() {
    let holds = both();
    while (tokens[at] === 'OR') { at += 1; holds = both() || holds; }
    return holds;
  }
  return tokens.length > 0 && either();
}

/** The part of a version that semver lets stand beside another: 1.2.3 → 1, 0.8.1 → 0.8. */
function line(version) {
  const [major, minor, patch] = version.split(/[.+-]/);
  if (major !== '0') return major;
  return minor !== '0' ? `0.${minor}` : `0.0.${patch}`;
}

function licences() {
  const toml = fs.readFileSync('.cargo/deny.toml', 'utf8');
  const allowed = new Set(listFrom(toml, 'licenses', 'allow'));
  const refused = listFrom(toml, 'bans', 'deny');
  if (allowed.size === 0 || refused.length === 0) problem('.cargo/deny.toml: its lists cannot be read; keep one array per key');
  const { packages } = metadata();
  const lines = new Map();
  for (const { name, version, license, license_file: file } of packages) {
    if (!license) problem(`${name} ${version}: no licence named (${file ? `read ${file}` : 'none at all'}); choose another crate`);
    else if (!licensed(license, allowed)) problem(`${name} ${version}: licence "${license}" is not in .cargo/deny.toml; choose another crate, or allow it there with a reason`);
    if (refused.includes(name)) problem(`${name} ${version}: refused in .cargo/deny.toml; find who asks for it: cargo tree -i ${name}`);
    lines.set(name, (lines.get(name) ?? new Set()).add(line(version)));
  }
  for (const name of SINGLE) {
    const found = [...(lines.get(name) ?? [])];
    if (found.length > 1) problem(`${name}: versions ${found.join(' and ')} at once; bring its users to one: cargo tree -d -i ${name}`);
  }
  const twice = [...lines].filter(([, found]) => found.size > 1).map(([name]) => name);
  console.log(`licences: ${packages.length} crates; in two versions, tolerated: ${twice.join(', ') || 'none'}`);
}

function walls() {
  const { packages } = metadata();
  for (const [name, { only, never }] of Object.entries(DIETS)) {
    const found = packages.find((each) => each.name === name && each.source === null);
    if (!found) { problem(`${name}: no such crate; bring DIETS of .ci/checks.mjs up to date`); continue; }
    for (const { name: dependency, kind } of found.dependencies) {
      if (kind !== null) continue; // tests may use more
      if (only && !only.includes(dependency)) problem(`${name} depends on ${dependency}: its diet is ${only.join(', ')}`);
      if (never?.includes(dependency)) problem(`${name} depends on ${dependency}, a floor it may not enter`);
    }
  }
  const browser = cargo('tree', '-p', 'frontend', '--target', 'wasm32-unknown-unknown', '-e', 'normal', '--prefix', 'none', ...LOCKED)
    .split('\n').map((each) => each.split(' ')[0]);
  for (const name of NOT_IN_THE_BROWSER) {
    if (browser.includes(name)) problem(`${name} reaches the browser: cargo tree -p frontend --target wasm32-unknown-unknown -e normal -i ${name}`);
  }
}

function sources(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return ['target', 'node_modules'].includes(entry.name) ? [] : sources(name);
    return name.endsWith('.rs') ? [name] : [];
  });
}

function curtains() {
  for (const { src, room, never } of CURTAINS) {
    const files = sources(src).filter((file) => file === `${src}/${room}.rs` || file.startsWith(`${src}/${room}/`));
    for (const file of files) {
      const text = fs.readFileSync(file, 'utf8');
      for (const other of never) {
        if (new RegExp(`^[^/\\n]*\\bcrate::(\\{[^}]*\\b)?${other}\\b`, 'm').test(text)) problem(`${file} uses crate::${other}: ${room} may not know it`);
      }
    }
  }
}

function files() {
  for (const file of ['app', 'frontend', 'server'].flatMap(sources)) {
    const text = fs.readFileSync(file, 'utf8');
    const lines = text.split('\n').length - 1;
    if (lines > FILE_LINES) problem(`${file}: ${lines} lines, more than ${FILE_LINES}; split it by what changes together`);
    if (!text.startsWith('//!')) problem(`${file}: does not begin with //! (what it is, and what it never does)`);
    if (path.basename(file) === 'mod.rs') problem(`${file}: call it by its module's name beside the folder`);
  }
}

function size() {
  const site = process.argv[3] ?? path.join(process.env.CARGO_TARGET_DIR || 'target', 'site');
  const { profile, files: parts } = JSON.parse(fs.readFileSync(path.join(site, 'sizes.json'), 'utf8'));
  if (profile !== 'release') { console.log(`size: not judged, this client was built with the ${profile} profile`); return; }
  const total = parts.reduce((sum, { brotli }) => sum + brotli, 0);
  const shares = parts.map(({ kind, brotli }) => `${kind} ${brotli}`).join(' + ');
  console.log(`size: first visit ${shares} = ${total} bytes brotli of ${FIRST_VISIT_BYTES}`);
  if (total > FIRST_VISIT_BYTES) problem(`first visit is ${total - FIRST_VISIT_BYTES} bytes over the budget: make a page lazy, or drop a dependency of the client`);
}

const commands = { licences, floors: () => { walls(); curtains(); files(); }, size };
const command = commands[process.argv[2]];
if (!command) {
  console.error(`error: no check "${process.argv[2] ?? ''}"; cause: unknown name; try: node .ci/checks.mjs ${Object.keys(commands).join('|')}`);
  process.exit(2);
}
command();
for (const text of problems) console.error(`problem: ${text}`);
process.exit(problems.length > 0 ? 1 : 0);
