// The whole way from a real Kubernetes API server to the page. Skipped, with the reason, where there is none.
import type { Page } from '@playwright/test';
import { badge, expect, live, row, rows, shot, test as base } from './fixtures.ts';
import type { KubeObject } from './cluster.ts';
import { Hnp } from './hnp.ts';
import { TWELVE, named, type Kind } from './kinds.ts';
import { missing, RealServer } from './real.ts';

const NOTICED_MS = 16_000;
const PATIENT = { timeout: 90_000 };
const VLANS = named('VLANNamespace');

const test = base.extend<{ api: RealServer }>({
  api: async ({}, use) => {
    const api = await RealServer.start();
    try {
      await api.installCrds();
      console.log(`loaded ${await api.load()} objects into a real API server`);
      await use(api);
    } finally {
      await api.stop();
    }
  },
  hnp: async ({ api }, use, info) => {
    const hnp = await Hnp.start({ command: 'serve', args: ['--kubeconfig', api.kubeconfig, '--name', 'real'] });
    await use(hnp);
    if (info.status !== info.expectedStatus) await info.attach('hnp.log', { body: hnp.log, contentType: 'text/plain' });
    await hnp.stop();
  },
  cluster: async ({ api }, use) => { await use(api.cluster); },
});

const reason = missing();
test.skip(reason !== undefined, `real.spec: ${reason ?? ''}`);
// Objects are looked at before they exist, which is a 404 that the browser reports.
test.use({ consoleAllow: /status of 404/ });
test.describe.configure({ timeout: 300_000 });

/** When the card first shows another connectivity than this, in Unix milliseconds. */
async function leaves(page: Page, word: string): Promise<() => Promise<number>> {
  const when = await page.evaluateHandle((word) => ({
    at: new Promise<number>((resolve) => {
      const look = (): void => { if (document.querySelector('[data-connectivity]')?.getAttribute('data-connectivity') !== word) resolve(Date.now()); };
      new MutationObserver(look).observe(document.body, { attributes: true, subtree: true, attributeFilter: ['data-connectivity'] });
    }),
  }), word);
  return () => when.evaluate(({ at }) => at);
}

function keys(page: Page, kind: Kind): Promise<string[]> {
  return rows(page, kind.kind).evaluateAll((rows) => rows.map((row) => row.getAttribute('data-key') ?? '').sort());
}

test('twelve kinds live; what is created, changed and deleted arrives for each of them', async ({ context, cluster }) => {
  const [fabric, list, object] = [await context.newPage(), await context.newPage(), await context.newPage()];
  await fabric.goto('/f/real');
  await live(fabric);
  for (const kind of TWELVE) await expect(badge(fabric, kind.kind), kind.kind).toHaveAttribute('data-watch', 'live', PATIENT);
  await shot(fabric, 'real-fabric');
  for (const kind of TWELVE) {
    const there = await cluster.listAll(kind);
    expect(there.length, kind.kind).toBeGreaterThan(0);
    await expect(badge(fabric, kind.kind).locator('.count')).toHaveText(`${there.length}`);
    const name = 'e2e';
    await list.goto(`/f/real/${kind.plural}`);
    await live(list);
    await expect.poll(() => keys(list, kind)).toEqual(there.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort());
    await object.goto(`/f/real/${kind.plural}/default/${name}`);
    await live(object);

    const model = there[0] as KubeObject;
    await cluster.create(kind, { apiVersion: kind.api, kind: kind.kind, metadata: { name, namespace: 'default' }, spec: model.spec ?? {} });
    await expect(row(list, kind.kind, name), `${kind.kind} created`).toBeVisible();
    await expect(object.locator('.yaml')).toContainText(`name: ${name}`);
    await cluster.patch(kind, name, { metadata: { labels: { 'e2e.hnp/turn': 'changed' } } });
    await expect(object.locator('.yaml'), `${kind.kind} changed`).toContainText('e2e.hnp/turn: changed');
    await cluster.remove(kind, name);
    await expect(row(list, kind.kind, name), `${kind.kind} deleted`).toHaveCount(0);
    await expect(object.locator('[data-tombstone]')).toBeVisible();
    await expect(badge(fabric, kind.kind).locator('.count')).toHaveText(`${there.length}`);
  }
});

test('a server that is paused, and one that is ended and started again, is noticed within 16 s and live within seconds of its return', async ({ context, api, cluster }) => {
  const [fabric, list] = [await context.newPage(), await context.newPage()];
  await fabric.goto('/f/real');
  await list.goto(`/f/real/${VLANS.plural}`);
  for (const page of [fabric, list]) await live(page);
  const card = fabric.locator('article[data-fabric="real"]');
  const back = async (what: string): Promise<void> => {
    const returned = performance.now();
    await expect(card).toHaveAttribute('data-connectivity', 'connected', PATIENT);
    for (const kind of TWELVE) await expect(badge(fabric, kind.kind)).toHaveAttribute('data-watch', 'live', PATIENT);
    const took = performance.now() - returned;
    console.log(`${what}: live ${Math.round(took)} ms after the server was back`);
    expect(took).toBeLessThan(30_000);
    const expected = (await cluster.listAll(VLANS)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
    await expect.poll(() => keys(list, VLANS), 'no ghosts').toEqual(expected);
    await expect(list.locator('[data-state="stale"]')).toHaveCount(0);
  };
  await expect(card).toHaveAttribute('data-connectivity', 'connected', PATIENT);
  const vlans = (name: string): object => ({
    apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, spec: { ranges: [{ from: 3_000, to: 3_099 }] },
  });
  for (const name of ['goes', 'goes-too']) await cluster.create(VLANS, vlans(name));
  await expect(row(list, VLANS.kind, 'goes-too')).toBeVisible();

  let left = await leaves(fabric, 'connected');
  api.signal('SIGSTOP');
  let since = Date.now();
  let noticed = await left() - since;
  console.log(`paused: noticed after ${noticed} ms`);
  expect(noticed).toBeLessThan(NOTICED_MS);
  await expect(list.locator('[data-state="stale"]')).toBeVisible();
  api.signal('SIGCONT');
  await back('paused');

  left = await leaves(fabric, 'connected');
  since = Date.now();
  await api.down();
  noticed = await left() - since;
  console.log(`ended: noticed after ${noticed} ms`);
  expect(noticed).toBeLessThan(NOTICED_MS);
  await expect(list.locator('[data-state="stale"]')).toContainText(/As of/);
  await api.up();
  await cluster.remove(VLANS, 'goes');
  await cluster.create(VLANS, vlans('comes'));
  await back('ended and started again');
  await cluster.remove(VLANS, 'goes-too');
  await expect(row(list, VLANS.kind, 'goes-too')).toHaveCount(0);
});

test('an object that does not read as its kind is shown as unreadable, and the others stay live', async ({ page, cluster }) => {
  await page.goto(`/f/real/${VLANS.plural}`);
  await live(page);
  const sane = await rows(page, VLANS.kind).count();
  // The definition is made to let anything through, as an older or newer one might.
  const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/vlannamespaces.wiring.githedgehog.com';
  const definition = await cluster.send<{ spec: { versions: { schema: unknown }[] } }>('GET', crd);
  for (const version of definition.spec.versions) version.schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await cluster.send('PUT', crd, definition);
  const strange = (name: string, rest: object): object => ({ apiVersion: VLANS.api, kind: VLANS.kind, metadata: { name, namespace: 'default' }, ...rest });
  await expect(async () => {
    await cluster.create(VLANS, strange('text-for-spec', { spec: '<b>not a spec</b>' }));
  }).toPass({ timeout: 30_000 });
  await cluster.create(VLANS, strange('no-spec', {}));
  await cluster.create(VLANS, strange('odd-members', { spec: { ranges: [{ from: 'many', to: null, '<i>': 1 }] }, extra: [1] }));
  for (const name of ['text-for-spec', 'odd-members']) {
    await expect(row(page, VLANS.kind, name)).toContainText('unreadable');
    await expect(row(page, VLANS.kind, name)).toHaveAttribute('data-unreadable', '');
  }
  await expect(row(page, VLANS.kind, 'no-spec')).toBeVisible();
  await expect(rows(page, VLANS.kind)).toHaveCount(sane + 3);
  await expect(page.locator('main [data-kind="VLANNamespace"][data-watch="live"]')).toBeVisible();
  await shot(page, 'real-unreadable');
  await page.goto(`/f/real/${VLANS.plural}/default/text-for-spec`);
  await live(page);
  await expect(page.locator('.banner[data-severity="error"]')).toContainText('does not read as its kind');
  await expect(page.locator('.yaml')).toContainText('<b>not a spec</b>');
  await expect(page.locator('main b')).toHaveCount(0);
});
