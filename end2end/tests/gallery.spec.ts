// Everything that office pages are made of, in one picture: accessible in every theme and width, nothing
// wider than the window. No server: the page is gallery.html with the style sheets as they are built.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test as base } from '@playwright/test';
import { accessible, expect, shot } from './fixtures.ts';

const STYLE = path.resolve(import.meta.dirname, '../../style');
const read = (name: string): string => readFileSync(path.join(STYLE, name), 'utf8');
const main = read('main.css').replace(/@import "([^"]+)";/g, (_, name: string) => read(name));
const gallery = readFileSync(path.join(import.meta.dirname, 'gallery.html'), 'utf8');
const html = (theme: string, body: string): string =>
  `<!DOCTYPE html><html lang="en" data-theme="${theme}"><head><title>Gallery</title><style>${main}${read('office.css')}</style></head><body>${body}</body></html>`;

const GATE = `<main class="office"><div class="gate"><h1>Sign in</h1><form class="form"><p class="field"><label for="u">User</label><input id="u" autocomplete="username"></p>
<p class="field" data-invalid><label for="p">Password</label><input id="p" type="password" aria-invalid="true" aria-describedby="e"><span class="error" id="e">Name or password is wrong.</span></p>
<p class="form-actions"><button data-look="primary">Sign in</button></p></form></div></main>`;

for (const width of [1440, 390]) {
  for (const theme of ['light', 'dark', 'contrast']) {
    base(`what office pages are made of, at ${width} px, ${theme}`, async ({ page }) => {
      await page.setViewportSize({ width, height: 900 });
      for (const [name, body] of [['gallery', `<div class="content"><main id="main">${gallery}</main></div>`], ['gate', GATE]] as const) {
        await page.setContent(html(theme, body));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(over, `${name} does not scroll sideways`).toBe(0);
        await accessible(page);
        await shot(page, `office-${name}-${width}-${theme}`);
        if (name !== 'gallery') continue;
        await page.getByRole('button', { name: 'Delete…' }).click();
        await expect(page.getByRole('dialog')).toBeVisible();
        await accessible(page);
        await shot(page, `office-dialog-${width}-${theme}`);
        await page.getByRole('button', { name: 'Cancel' }).click();
        await expect(page.getByRole('dialog')).toBeHidden();
      }
    });
  }
}
