// Builds the client: what cargo-leptos does for a production build, without the minutes it takes to
// install. `cargo build` for wasm32, wasm-bindgen, snip.mjs, wasm-opt, shorten.mjs, one style sheet, the public folder,
// names that carry their content's hash, and compressed copies beside them.
//
//   node frontend/build.mjs --profile dev|release --out target/site
//
// <out>/pkg/hnp.<hash>.{js,wasm,css}   may be cached for ever
// <out>/pkg/office.<hash>.css           the style sheet of office pages, under the hash of the other one
// <out>/pkg/snippets/…                 the JavaScript that Rust crates bring along
// <out>/hash.txt                       `js: …`, `wasm: …`, `css: …`; leptos reads it
// <out>/sizes.json                     bytes of the three, raw and brotli; the size budget reads it
//
// Absent: no npm package but binaryen, no step that runs again when its input is unchanged (the
// stamps lie beside <out>, never in it), and no moment in which <out> holds half a site.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { nowhere } from './nowhere.mjs';
import { shorten, squeezeScript } from './shorten.mjs';
import { snip } from './snip.mjs';

const NAME = 'hnp';
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const TARGET = path.resolve(ROOT, process.env.CARGO_TARGET_DIR || 'target');
const PROFILES = {
  dev: { cargo: [], folder: 'debug', optimise: false, brotli: 5 },
  release: { cargo: ['--profile', 'wasm-release'], folder: 'wasm-release', optimise: true, brotli: 11 },
};
// What rustc emits for wasm32-unknown-unknown; wasm-opt refuses a module that uses what it was not told of.
const WASM_FEATURES = [
  'bulk-memory', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue',
].map((feature) => `--enable-${feature}`);
// Below this a compressed copy saves nothing worth a second file.
const COMPRESS_FROM_BYTES = 512;
const COMPRESSIBLE = new Set(['.js', '.mjs', '.wasm', '.css', '.svg', '.html', '.json', '.txt', '.webmanifest', '.xml', '.map']);

/** Says what failed, why and what to do, and ends the program. */
function fail(what, cause, remedy) {
  console.error(`error: ${what}; cause: ${cause}; try: ${remedy}`);
  process.exit(1);
}

function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

function readArguments(argv) {
  const options = { profile: 'dev', out: path.join(TARGET, 'site') };
  for (let at = 0; at < argv.length; at += 2) {
    const [flag, value] = [argv[at], argv[at + 1]];
    if (flag === '--profile' && value in PROFILES) options.profile = value;
    else if (flag === '--out' && value) options.out = path.resolve(value);
    else {
      fail('cannot read the arguments', `"${flag} ${value ?? ''}" is not understood`,
        'node frontend/build.mjs --profile dev|release --out FOLDER');
    }
  }
  return { ...options, ...PROFILES[options.profile] };
}

/** Runs a program in the repository's root; its output goes where ours goes. */
function run(what, program, args, remedy, env = {}) {
  const done = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
  if (done.error) fail(what, `${program} cannot be started (${done.error.code})`, remedy);
  if (done.status !== 0) fail(what, `${path.basename(program)} ended with ${done.signal ?? `code ${done.status}`}`, remedy);
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null; // absent or broken: the step simply runs again
  }
}

/** All files below `folder`, as sorted paths relative to it; none where there is no folder. */
function filesBelow(folder, prefix = '') {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(prefix, entry.name);
    return entry.isDirectory() ? filesBelow(path.join(folder, entry.name), name) : [name];
  }).sort();
}

function wantedBindgen() {
  const lock = fs.readFileSync(path.join(ROOT, 'Cargo.lock'), 'utf8');
  const found = /name = "wasm-bindgen"\r?\nversion = "([^"]+)"/.exec(lock);
  if (!found) fail('cannot choose wasm-bindgen', 'Cargo.lock does not name the crate', 'cargo generate-lockfile');
  return found[1];
}

/** The command line of wasm-bindgen in exactly the crate's version: from PATH, else our own copy, else built now. */
function bindgen() {
  const wanted = wantedBindgen();
  const tools = path.join(TARGET, 'tools');
  const own = path.join(tools, 'bin', process.platform === 'win32' ? 'wasm-bindgen.exe' : 'wasm-bindgen');
  const versionOf = (program) => (spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout || '').trim().split(' ')[1];
  for (const program of ['wasm-bindgen', own]) {
    if (versionOf(program) === wanted) return { program, version: wanted };
  }
  console.log(`client: wasm-bindgen ${wanted} is not installed; building it once into ${path.relative(ROOT, tools)} (2 to 4 minutes)`);
  // Without --locked: the published lock file asks for older crates than this compiler likes.
  run('cannot install wasm-bindgen', 'cargo',
    ['install', 'wasm-bindgen-cli', '--version', wanted, '--bin', 'wasm-bindgen', '--root', tools,
      '--target-dir', path.join(tools, 'build')],
    'check that the crate registry can be reached, then run this again',
    { CARGO_PROFILE_RELEASE_OPT_LEVEL: '1', CARGO_PROFILE_RELEASE_DEBUG: 'false' });
  fs.rmSync(path.join(tools, 'build'), { recursive: true, force: true });
  if (versionOf(own) !== wanted) fail('cannot install wasm-bindgen', `${own} is not version ${wanted}`, `remove ${tools} and run this again`);
  return { program: own, version: wanted };
}

/** wasm-opt of the npm package, with its version. A distribution's older one may break the module silently. */
function optimiser() {
  const home = path.join(ROOT, 'node_modules', 'binaryen');
  const manifest = readJson(path.join(home, 'package.json'));
  if (!manifest) fail('cannot optimise the client', 'the npm package binaryen is not installed', 'npm ci (in the root of the repository), or make setup');
  return { script: path.join(home, 'bin', 'wasm-opt'), version: manifest.version };
}

/** What wasm-opt does: fewer bytes over the wire, whatever it takes. `snip` needs the names, nothing after it does. */
const WASM_PASSES = ['--merge-similar-functions', '-Oz', '--gufa', '-Oz', '--strip-debug', '--strip-producers', '--strip-target-features'];

/** Takes out what is never called (see snip.mjs), lets wasm-opt remove what only that had called, and shortens names. */
function optimise(folder, opt) {
  const [module, script] = [`${NAME}_bg.wasm`, `${NAME}.js`].map((name) => path.join(folder, name));
  let snipped;
  try {
    snipped = snip(fs.readFileSync(module));
  } catch (error) {
    fail('cannot take dead code out of the client', error.message, 'compare DEAD of frontend/snip.mjs with the functions of tachys that are called');
  }
  console.log(`client: ${snipped.functions} of ${snipped.of} functions are never called; ${snipped.bytes} bytes taken out`);
  fs.writeFileSync(module, snipped.module);
  run('cannot optimise the client', process.execPath,
    [opt.script, ...WASM_FEATURES, ...WASM_PASSES, module, '-o', `${module}.opt`],
    'read wasm-opt\'s message above; a feature that the compiler began to use belongs into WASM_FEATURES of frontend/build.mjs');
  fs.rmSync(module);
  try {
    const short = shorten(fs.readFileSync(`${module}.opt`), fs.readFileSync(script, 'utf8'));
    fs.writeFileSync(module, short.module);
    fs.writeFileSync(script, squeezeScript(short.script));
  } catch (error) {
    fail('cannot shorten names', error.message, 'compare frontend/shorten.mjs with what this wasm-bindgen writes');
  }
  fs.rmSync(`${module}.opt`);
}

/** Takes the places out of panics (see nowhere.mjs). Returns the file that holds the rest. */
function withoutPlaces(input) {
  const output = `${input.replace(/\.wasm$/, '')}.nowhere.wasm`;
  try {
    const less = nowhere(fs.readFileSync(input));
    console.log(`client: ${less.places} places of panics taken out, which ${less.uses} places in code named`);
    fs.writeFileSync(output, less.module);
  } catch (error) {
    fail('cannot take the places of panics out of the client', error.message, 'compare frontend/nowhere.mjs with what this linker writes');
  }
  return output;
}

/** The build's own programs: when they change, their results are stale. */
function ownPrograms() {
  return ['build.mjs', 'nowhere.mjs', 'shorten.mjs', 'snip.mjs'].map((name) => fs.readFileSync(path.join(ROOT, 'frontend', name)));
}

/** cargo, wasm-bindgen, and for a release `optimise`. Returns the folder that holds hnp.js, hnp_bg.wasm and snippets/. */
function buildClient(options) {
  const [command, ...linker] = options.optimise ? ['rustc', '--', '-C', 'link-arg=--emit-relocs'] : ['build'];
  run('cannot build the client', 'cargo',
    [command, '-p', 'frontend', '--lib', '--target', 'wasm32-unknown-unknown', ...(process.env.CI ? ['--locked'] : []), ...options.cargo, ...linker],
    'read the compiler\'s messages above; if it misses the target: rustup target add wasm32-unknown-unknown');
  const input = path.join(TARGET, 'wasm32-unknown-unknown', options.folder, 'frontend.wasm');
  if (!fs.existsSync(input)) fail('cannot find the client', `cargo made no ${input}`, 'give the target folder through CARGO_TARGET_DIR only');
  const tool = bindgen();
  const opt = options.optimise ? optimiser() : null;
  const folder = path.join(TARGET, 'client', options.profile);
  const stamp = path.join(TARGET, 'client', `${options.profile}.stamp.json`);
  const key = sha256(fs.readFileSync(input), tool.version, opt?.version ?? '', ...ownPrograms());
  if (readJson(stamp)?.key === key && fs.existsSync(folder)) return { folder, key, fresh: false };

  fs.rmSync(stamp, { force: true });
  fs.rmSync(folder, { recursive: true, force: true });
  const bound = opt ? withoutPlaces(input) : input;
  run('cannot bind the client', tool.program,
    ['--target', 'web', '--no-typescript', '--out-dir', folder, '--out-name', NAME, bound],
    'cargo clean -p frontend, then run this again');
  if (opt) optimise(folder, opt);
  fs.writeFileSync(stamp, JSON.stringify({ key }));
  return { folder, key, fresh: true };
}

/** A style sheet with each `@import "x.css"` replaced by that file, once, in order. */
function bundleStyle(file, seen = new Set()) {
  if (seen.size === 0 && !fs.existsSync(file)) return '';
  if (seen.has(file)) return '';
  seen.add(file);
  let text;
  try {
    text = fs.readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  } catch (error) {
    fail('cannot read a style sheet', `${path.relative(ROOT, file)}: ${error.code}`, 'check the @import lines of style/main.css');
  }
  return text.replace(/@import\s+(?:url\()?["']([^"']+)["']\)?([^;]*);/g, (_, name, rest) => {
    const inner = bundleStyle(path.resolve(path.dirname(file), name), seen);
    const layer = /layer\(([^)]+)\)/.exec(rest)?.[1];
    return layer ? `@layer ${layer} {\n${inner}\n}` : inner;
  });
}

/** Strips indentation and blank lines: what is left compresses as well as a real minifier's output. */
function squeeze(css) {
  return css.split('\n').map((line) => line.trim()).filter(Boolean).join('\n');
}

/** Writes a file and, where they are smaller, its .br and .gz; takes over the old site's copies of the same content. */
function publish(site, name, content, options, previous) {
  const file = path.join(site, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  if (content.length < COMPRESS_FROM_BYTES || !COMPRESSIBLE.has(path.extname(name))) return content.length;
  const old = previous && path.join(previous, name);
  const same = old && fs.existsSync(old) && fs.readFileSync(old).equals(content);
  const brotli = same && fs.existsSync(`${old}.br`) ? fs.readFileSync(`${old}.br`) : zlib.brotliCompressSync(content, {
    params: {
      [zlib.constants.BROTLI_PARAM_QUALITY]: options.brotli,
      [zlib.constants.BROTLI_PARAM_LGWIN]: 24, // the largest that browsers take
      [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length,
    },
  });
  const gzip = same && fs.existsSync(`${old}.gz`) ? fs.readFileSync(`${old}.gz`) : zlib.gzipSync(content, { level: options.brotli > 9 ? 9 : 6 });
  if (brotli.length < content.length) fs.writeFileSync(`${file}.br`, brotli);
  if (gzip.length < content.length) fs.writeFileSync(`${file}.gz`, gzip);
  return Math.min(brotli.length, content.length);
}

/** The three hashed files: name, hash, content. The script names the module, so the module is hashed first. */
function hashedFiles(client, css, office) {
  const hashed = (kind, content, ...more) => {
    const hash = sha256(content, ...more).slice(0, 16);
    return { kind, hash, name: `pkg/${NAME}.${hash}.${kind}`, content };
  };
  const wasm = hashed('wasm', fs.readFileSync(path.join(client.folder, `${NAME}_bg.wasm`)));
  const script = fs.readFileSync(path.join(client.folder, `${NAME}.js`), 'utf8').replaceAll(`${NAME}_bg.wasm`, path.posix.basename(wasm.name));
  return [hashed('js', Buffer.from(script)), wasm, hashed('css', Buffer.from(css), office)];
}

/** Puts the site together in a new folder and swaps it in. */
function assemble(options, client, css, office) {
  const fresh = `${options.out}.new`;
  const stamp = `${options.out}.stamp.json`;
  // Copies of the other profile were compressed differently.
  const previous = readJson(stamp)?.profile === options.profile ? options.out : null;
  fs.rmSync(stamp, { force: true });
  fs.rmSync(fresh, { recursive: true, force: true });
  fs.mkdirSync(fresh, { recursive: true });
  for (const name of filesBelow(path.join(ROOT, 'public'))) {
    publish(fresh, name, fs.readFileSync(path.join(ROOT, 'public', name)), options, previous);
  }
  const snippets = path.join(client.folder, 'snippets');
  for (const name of filesBelow(snippets)) {
    publish(fresh, path.posix.join('pkg/snippets', name), fs.readFileSync(path.join(snippets, name)), options, previous);
  }
  const files = hashedFiles(client, css, office);
  // No part of a first visit, so not among the sizes.
  publish(fresh, `pkg/office.${files.find(({ kind }) => kind === 'css').hash}.css`, Buffer.from(office), options, previous);
  const sizes = files.map(({ kind, name, content }) => ({
    kind, name, raw: content.length, brotli: publish(fresh, name, content, options, previous),
  }));
  fs.writeFileSync(path.join(fresh, 'hash.txt'), files.map(({ kind, hash }) => `${kind}: ${hash}\n`).join(''));
  fs.writeFileSync(path.join(fresh, 'sizes.json'), `${JSON.stringify({ profile: options.profile, files: sizes }, null, 2)}\n`);
  const old = `${options.out}.old`;
  fs.rmSync(old, { recursive: true, force: true });
  if (fs.existsSync(options.out)) fs.renameSync(options.out, old);
  fs.renameSync(fresh, options.out);
  fs.rmSync(old, { recursive: true, force: true });
}

function printSizes(options) {
  const { files } = readJson(path.join(options.out, 'sizes.json'));
  const kilo = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(11);
  for (const { kind, raw, brotli } of files) console.log(`client: ${kind.padEnd(5)}${kilo(raw)} raw${kilo(brotli)} brotli`);
  const total = files.reduce((sum, { brotli }) => sum + brotli, 0);
  console.log(`client: total${''.padStart(15)}${kilo(total)} brotli (${options.profile}) in ${options.out}`);
}

const started = Date.now();
const options = readArguments(process.argv.slice(2));
const client = buildClient(options);
const [css, office] = ['main.css', 'office.css'].map((name) => squeeze(bundleStyle(path.join(ROOT, 'style', name))));
const publicFolder = path.join(ROOT, 'public');
const stamp = `${options.out}.stamp.json`;
const key = sha256(client.key, options.profile, css, office,
  ...filesBelow(publicFolder).flatMap((name) => [name, fs.readFileSync(path.join(publicFolder, name))]));
const current = readJson(stamp)?.key === key && fs.existsSync(path.join(options.out, 'hash.txt'));
if (!current) {
  assemble(options, client, css, office);
  fs.writeFileSync(stamp, JSON.stringify({ key, profile: options.profile }));
}
printSizes(options);
console.log(`client: ${current ? 'nothing changed' : 'built'} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
