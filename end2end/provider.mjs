// An identity provider for the journey of `tests/oidc.spec.ts`: oidc-provider, in memory, with accounts of its own.
//   node provider.mjs ISSUER CLIENT_SECRET HOME      (HOME: address of the server that people come from)
// Prints one line when it listens. Whoever knows an account's name signs in: it is for tests on this machine.
// Absent: nothing is kept, and no page of it loads anything from elsewhere.
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import http from 'node:http';
import process from 'node:process';
import { Provider } from 'oidc-provider';

const [issuer, secret, home] = process.argv.slice(2);
if (issuer === undefined || secret === undefined || home === undefined) {
  console.error('error: three arguments are wanted; cause: some are missing; try: node provider.mjs http://localhost:4000 secret http://127.0.0.1:3000');
  process.exit(2);
}

/** Accounts by subject. */
const ACCOUNTS = {
  ann: { preferred_username: 'ann', groups: ['staff', 'netops'] },
  bob: { preferred_username: 'bob', groups: [] },
  mallory: { preferred_username: 'Operator', groups: ['netops'] },
};

// As text and read again: a key object that was just generated shares a lock with the job that made it, and where
// that is collected while the key is exported, Node.js 20 waits for itself for ever (3 of 100 starts).
const text = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const key = createPrivateKey(text.privateKey).export({ format: 'jwk' });
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'hnp',
    client_secret: secret,
    redirect_uris: [`${home}/login/oidc/callback`],
    post_logout_redirect_uris: [`${home}/login`],
  }],
  jwks: { keys: [{ ...key, kid: 'journey', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(24).toString('hex')] },
  scopes: ['openid', 'profile', 'groups'],
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  findAccount: (_, subject) => (ACCOUNTS[subject] === undefined ? undefined : {
    accountId: subject,
    claims: () => ({ sub: subject, ...ACCOUNTS[subject] }),
  }),
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context, form) => {
        context.body = page(`<h1>Sign out here?</h1>${form}<button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`);
      },
    },
  },
  renderError: (context, { error, error_description: description }) => {
    context.body = page(`<h1>${error}</h1><pre>${String(description).replaceAll('<', '&lt;')}</pre>`);
  },
});

function page(body) {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Identity provider</title><link rel="icon" href="data:,"></head><body>${body}</body></html>`;
}

/** The pages on which people say who they are, and whether we may know. */
async function interact(request, response) {
  const [, , uid, step] = new URL(request.url, issuer).pathname.split('/');
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result);
  if (request.method === 'GET') {
    const form = prompt.name === 'login'
      ? '<h1>Who are you?</h1><label>Account <input name="account"></label><button>Go on</button>'
      : `<h1>May ${params.client_id} know who you are?</h1><button>Allow</button><button formaction="/interaction/${uid}/deny">Deny</button>`;
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(page(`<form method="post" action="/interaction/${uid}/go">${form}</form>`));
    return;
  }
  let text = '';
  for await (const part of request) text += part;
  if (step === 'deny') {
    await finish({ error: 'access_denied', error_description: 'the person said no' });
  } else if (prompt.name === 'login') {
    await finish({ login: { accountId: new URLSearchParams(text).get('account') ?? '' } });
  } else {
    const grant = grantId === undefined
      ? new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
      : await provider.Grant.find(grantId);
    grant.addOIDCScope(params.scope);
    await finish({ consent: { grantId: await grant.save() } });
  }
}

const answer = provider.callback();
const server = http.createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) { answer(request, response); return; }
  interact(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(Number(new URL(issuer).port), '127.0.0.1', () => { console.log(`listens as ${issuer}`); });
process.on('SIGTERM', () => { server.closeAllConnections(); server.close(() => process.exit(0)); });
