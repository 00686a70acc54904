// Adds up what a run of `make test` printed: node .ci/count.mjs LOG PLAYWRIGHT_RESULTS.json
// Prints one line, `N passed, N failed`, and ends with 1 if anything failed or nothing ran.
// Counted: cargo test and cargo nextest summaries, Playwright's JSON, one per `check:` stage. A `stage:`
// that failed counts once when its own tests show no failure (it did not even compile).
import fs from 'node:fs';

const [logFile, resultsFile] = process.argv.slice(2);
const log = fs.readFileSync(logFile, 'utf8').replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');
const total = { passed: 0, failed: 0 };
const number = (line, pattern) => Number(pattern.exec(line)?.[1] ?? 0);

function count(line) {
  if (/^test result: (ok|FAILED)\./.test(line)) {
    return { passed: number(line, /(\d+) passed/), failed: number(line, /(\d+) failed/) };
  }
  if (/^\s*Summary \[.*tests? run:/.test(line)) {
    // "2 failed", "1 timed out", "1 exec failed" are three figures: each is read with its own words.
    const failed = [/ (\d+) failed/, / (\d+) timed out/, / (\d+) exec failed/].reduce((sum, words) => sum + number(line, words), 0);
    return { passed: number(line, /(\d+) passed/), failed };
  }
  if (line.startsWith('check: ok')) return { passed: 1, failed: 0 };
  if (line.startsWith('check: FAILED')) return { passed: 0, failed: 1 };
  return null;
}

let here = { passed: 0, failed: 0 }; // since the stage began
function add({ passed, failed }) {
  total.passed += passed; total.failed += failed;
  here.passed += passed; here.failed += failed;
}
for (const line of log.split('\n')) {
  if (line.startsWith('== ')) here = { passed: 0, failed: 0 };
  const found = count(line);
  if (found) add(found);
  if (line.startsWith('stage: ') && line.includes(' e2e') && fs.existsSync(resultsFile)) {
    const { stats } = JSON.parse(fs.readFileSync(resultsFile, 'utf8'));
    add({ passed: stats.expected, failed: stats.unexpected + stats.flaky });
  }
  if (line.startsWith('stage: FAILED') && here.failed === 0) add({ passed: 0, failed: 1 });
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
