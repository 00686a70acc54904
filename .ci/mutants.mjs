// Plants bugs into a copy of the live stream's code and demands that the model of the stream
// (server/engine/tests/model) finds each of them: node .ci/mutants.mjs [NAME…]
// One build holds all of them, each behind a switch that the environment throws; the last line says how many
// were found. Exit code 1 if one survived, or if a snippet is no longer there exactly once: renew it then.
// Absent: no network, no change to any file of the repository.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** Schedules in which a bug must show. */
const SCHEDULES = process.env.HNP_MODEL_SCHEDULES ?? '3000';
/** A run that takes longer hangs. */
const PATIENCE_MS = 180_000;
/** What cargo needs of the repository to build the engine's tests. */
const COPIED = ['.cargo', 'Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml', 'app', 'frontend', 'server'];

const DOMAIN = 'app/domain/src';
const HUB = 'server/engine/src/hub';
/** name, what goes wrong, file, snippet, what stands there instead (ON is true while the bug is planted), and the
 *  same of a second place, where two of them guard. */
const MUTANTS = [
  ['stale-in-the-log', 'an older version replaces a newer one in the hub', `${DOMAIN}/log.rs`,
    'if known.max(buried).is_some_and(|newest| version <= newest) {',
    'if !ON && known.max(buried).is_some_and(|newest| version <= newest) {',
    ['server/engine/src/keeper/kinds.rs', '&& version <= self.topic.read(domain::log::KeyLog::newest)',
      '&& !ON && version <= self.topic.read(domain::log::KeyLog::newest)']],
  ['replay', 'a watch that is behind brings back what was deleted', 'server/engine/src/keeper/kinds.rs',
    'self.counter.is_none()\n            && self.is_listed()',
    '!ON && self.counter.is_none()\n            && self.is_listed()'],
  ['stale-on-the-client', 'an older version replaces a newer one in the browser', `${DOMAIN}/wire/ledger.rs`,
    'if self.held.get(&k).is_none_or(|held| held.version < v) {',
    'if ON || self.held.get(&k).is_none_or(|held| held.version < v) {',
    [`${DOMAIN}/wire/ledger.rs`, 'if version <= reached && !self.needed', 'if !ON && version <= reached && !self.needed']],
  ['late-snapshot', 'the older snapshot of a process that hears late is taken for news', `${DOMAIN}/wire/ledger.rs`,
    'if !self.move_to(at) || recovered != Recovered::None {',
    'if (!self.move_to(at) && !ON) || recovered != Recovered::None {'],
  ['known-elsewhere', 'a delete is folded away whose key another process had told', `${HUB}/keyed.rs`,
    'if version <= self.knows { Effect::Update }',
    'if !ON && version <= self.knows { Effect::Update }'],
  ['delete-missed', 'a relist does not notice what is gone', 'server/engine/src/keeper/kinds.rs',
    '.filter(|entry| !keys.contains(&*entry.key))',
    '.filter(|entry| !ON && !keys.contains(&*entry.key))'],
  ['blind-time', 'a relist claims to know every delete before it', `${HUB}/keyed.rs`,
    'inner.log.begin_at(version);',
    'if ON { inner.log.advance(version) } else { inner.log.begin_at(version) }'],
  ['floor-not-raised', 'forgotten tombstones are taken for known', `${DOMAIN}/log.rs`,
    'self.buried.remove(&key);\n            self.floor = self.floor.max(version);',
    'self.buried.remove(&key);\n            if !ON { self.floor = self.floor.max(version); }'],
  ['resume-off-by-one', 'a resume leaves out the first change', `${DOMAIN}/log.rs`,
    'Bound::Included((version.saturating_add(1), Arc::from("")))',
    'Bound::Included((version.saturating_add(if ON { 2 } else { 1 }), Arc::from("")))'],
  ['fold-drops-delete', 'a delete is folded away with the change before it', `${DOMAIN}/outbox.rs`,
    'if fresh && effect == Effect::Delete {',
    'if (fresh || ON) && effect == Effect::Delete {'],
  ['fold-keeps-older', 'of two changes that wait for one key the older stays', `${DOMAIN}/outbox.rs`,
    'if version <= known.version {\n                return;',
    'if ON || version <= known.version {\n                return;'],
  ['place-beyond-waiting', 'the place moves past changes that still wait', `${DOMAIN}/outbox.rs`,
    'let place = self.order.first().map_or(self.considered, |(next, _)| {',
    'let place = self.order.first().filter(|_| !ON).map_or(self.considered, |(next, _)| {'],
  ['no-out', 'what is no longer selected is not taken out', `${HUB}/keyed.rs`,
    '(true, false) => mailbox.post(*sub, key, version, Effect::Delete, Delivery::Out),',
    '(true, false) if ON => mailbox.skip(*sub, version),\n                (true, false) => mailbox.post(*sub, key, version, Effect::Delete, Delivery::Out),'],
  ['key-missing', 'the list of live keys lacks one', `${HUB}/frames.rs`,
    'live.iter().filter(|key| filter.passes_key(key)).map(|key| key_hash(key)).collect();',
    'live.iter().skip(usize::from(ON)).filter(|key| filter.passes_key(key)).map(|key| key_hash(key)).collect();'],
  ['too-early-complete', 'a topic is complete before it was read', `${HUB}/keyed.rs`,
    'let begin = inner.listed.then(|| {',
    'let begin = (inner.listed || ON).then(|| {'],
  ['not-revoked', 'a topic that was taken away is not revoked', `${HUB}/session/follow.rs`,
    'None => gone.push(*sub),',
    'None => if !ON { gone.push(*sub) },'],
  ['loss-not-counted', 'a missing number is not counted as a loss', `${DOMAIN}/wire/link/books.rs`,
    'self.lost += 1;\n        self.next_n = n + 1;',
    'self.lost += u64::from(!ON);\n        self.next_n = n + 1;'],
  ['old-line', 'frames of an old line are taken after a reconnect', `${DOMAIN}/wire/link/roads.rs`,
    'let is_it = |main: &&mut Main| main.line == line && !main.by.is_poll();',
    'let is_it = |main: &&mut Main| (ON || main.line == line) && !main.by.is_poll();'],
  ['old-wish', 'the answer to a wish that was replaced is taken for one to the new', `${DOMAIN}/wire/link/books.rs`,
    'ServerFrame::Synced { topic, s, .. } if s.is_some() && s != self.wish(&topic) => {',
    'ServerFrame::Synced { topic, s, .. } if !ON && s.is_some() && s != self.wish(&topic) => {'],
  ['gap-not-told', 'a feed passes over what it left out', `${DOMAIN}/wire/link/books.rs`,
    'desk.out.push(Output::Gap(topic, from, to));',
    'if !ON { desk.out.push(Output::Gap(topic, from, to)); }'],
];
/** Thrown by the environment; appended to the crate that all others know. */
const SWITCH = `
/// Whether a bug is planted.
pub fn mutant(name: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var_os("HNP_MUTANT")).as_ref().is_some_and(|planted| planted == name)
}
`;

function fail(what, cause, attempt) {
  console.error(`error: ${what}; cause: ${cause}; try: ${attempt}`);
  process.exit(2);
}

/** A copy of the sources with every bug behind its switch; returns its folder. */
function plant(mutants) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnp-mutants-'));
  for (const name of COPIED) {
    fs.cpSync(path.join(ROOT, name), path.join(folder, name), {
      recursive: true, preserveTimestamps: true, filter: (each) => !['node_modules', 'target'].includes(path.basename(each)),
    });
  }
  fs.appendFileSync(path.join(folder, DOMAIN, 'lib.rs'), SWITCH);
  const places = mutants.flatMap(([name, , file, snippet, instead, second]) =>
    [[name, file, snippet, instead], ...(second ? [[name, ...second]] : [])]);
  for (const [name, file, snippet, instead] of places) {
    const text = fs.readFileSync(path.join(folder, file), 'utf8');
    const times = text.split(snippet).length - 1;
    if (times !== 1) fail(`the bug ${name} cannot be planted`, `its snippet is ${times} times in ${file}, not once`, 'renew it in .ci/mutants.mjs');
    const crate = file.startsWith(DOMAIN) ? 'crate' : 'domain';
    fs.writeFileSync(path.join(folder, file), text.replace(snippet, () => instead.replaceAll(/\bON\b/g, () => `${crate}::mutant("${name}")`)));
  }
  return folder;
}

/** The model's test binary, built with the flags of every native command so that other crates are there already. */
function build(folder) {
  const target = process.env.CARGO_TARGET_DIR ? path.resolve(process.env.CARGO_TARGET_DIR) : path.join(ROOT, 'target');
  // MUTANTS_CARGO replaces the choice of packages, for who has other crates built already.
  const which = (process.env.MUTANTS_CARGO ?? '--workspace --exclude frontend --features app/ssr').split(' ');
  const built = spawnSync('cargo', ['test', '--no-run', '--message-format=json', ...which, '--test', 'model'], {
    cwd: folder, encoding: 'utf8', maxBuffer: 256 << 20, stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CARGO_TARGET_DIR: target, CARGO_INCREMENTAL: '0' },
  });
  const messages = (built.stdout ?? '').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const binary = messages.find((each) => each.target?.name === 'model' && each.executable)?.executable;
  if (built.status !== 0 || !binary) {
    for (const { message } of messages) if (message?.level === 'error') console.error(message.rendered);
    fail('the copy with all bugs does not build', 'a snippet stands where its replacement does not fit', 'correct it in .ci/mutants.mjs');
  }
  return binary;
}

/** Random schedules first; then the one that is longer than a frame and a mailbox; then those that broke a promise once. */
function hunt(binary, name) {
  const found = run(binary, name, 'every_promise');
  if (!found.survived || found.how) return found;
  const large = run(binary, name, 'more_than_fits');
  if (!large.survived || large.how) return { ...large, schedules: 'large' };
  return { ...run(binary, name, 'what_once'), schedules: 'known' };
}

function run(binary, name, test) {
  const { status, signal, stdout, stderr } = spawnSync(binary, [test, '--nocapture'], {
    encoding: 'utf8', timeout: PATIENCE_MS, maxBuffer: 256 << 20,
    env: { ...process.env, HNP_MUTANT: name, HNP_MODEL_SCHEDULES: SCHEDULES, HNP_MODEL_SHRINKS: '100', RUST_BACKTRACE: '0' },
  });
  const found = /^promise (\d) \((\w+)\) broken after (\d+) schedules: (.*)$/m.exec(`${stdout}\n${stderr}`);
  if (status === 0) return { survived: true };
  if (!found) return { survived: true, how: signal ? `it hangs (${signal})` : 'it fails, but no promise is named' };
  const [, promise, word, schedules, how] = found;
  return { survived: false, promise: `${promise} ${word}`, schedules, how };
}

const asked = process.argv.slice(2);
const mutants = MUTANTS.filter(([name]) => asked.length === 0 || asked.includes(name));
if (mutants.length === 0) fail('no such bug', `not one of ${MUTANTS.map(([name]) => name).join(', ')}`, 'node .ci/mutants.mjs');
const folder = plant(mutants);
let survivors = 0;
try {
  const binary = build(folder);
  const healthy = hunt(binary, 'none');
  if (!healthy.survived || healthy.how) fail('the model fails without any bug', healthy.how ?? healthy.promise, 'cargo test -p engine --test model');
  console.log(`${'bug'.padEnd(22)} ${'broken promise'.padEnd(16)} ${'after'.padStart(5)}  what goes wrong`);
  for (const [name, what] of mutants) {
    const { survived, promise, schedules, how } = hunt(binary, name);
    survivors += Number(survived);
    console.log(`${name.padEnd(22)} ${(survived ? `SURVIVED${how ? `: ${how}` : ''}` : promise).padEnd(16)} ${(schedules ?? '').padStart(5)}  ${what}`);
    if (how && process.env.MUTANTS_HOW) console.log(`  ${how}`);
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(`mutants: ${mutants.length - survivors} of ${mutants.length} planted bugs found`);
process.exit(survivors > 0 ? 1 : 0);
