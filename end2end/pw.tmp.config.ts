// Journeys in a real browser. Each test starts its own `hnp demo` (tests/fixtures.ts), so there is no
// server to wait for here and no state that one test could leave to another.
import { existsSync } from 'node:fs';
import { defineConfig, type LaunchOptions } from '@playwright/test';

const DEBIAN_CHROMIUM = '/usr/bin/chromium';
const chromium = process.env['CHROMIUM_PATH'] ?? (existsSync(DEBIAN_CHROMIUM) ? DEBIAN_CHROMIUM : undefined);

const launchOptions: LaunchOptions = {
  ...(chromium === undefined ? {} : { executablePath: chromium }),
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
};

export default defineConfig({
  testDir: 'tests',
  outputDir: '.out/results',
  // Generous: a debug server, a browser and perhaps a compiler share two cores.
  timeout: 120_000,
  expect: { timeout: Number(process.env['E2E_EXPECT_MS'] ?? 30_000) },
  fullyParallel: false,
  workers: Number(process.env['E2E_WORKERS'] ?? 1),
  retries: 0,
  forbidOnly: process.env['CI'] !== undefined,
  reporter: [['list'], ['json', { outputFile: '.out/results.json' }]],
  use: {
    actionTimeout: 8000,
    browserName: 'chromium',
    launchOptions,
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
  },
});
