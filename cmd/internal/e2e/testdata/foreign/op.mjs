// An OpenID provider that is not ours: npm's oidc-provider, which is certified, with the few things it leaves to whoever
// runs it. It listens on loopback, knows two people, asks for a name and no password, and forgets everything when it ends.
//
// The environment variable OP holds its settings as JSON: {"port": 1234, "clients": [...]}.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The package lies below the folder we are run in, not beside this file.
const packages = createRequire(process.cwd() + '/');
const { Provider } = await import(pathToFileURL(packages.resolve('oidc-provider')));

const { port, clients } = JSON.parse(process.env.OP);
const issuer = `http://127.0.0.1:${port}`;

const people = {
  'f-ada': { name: 'Ada Foreign', preferred_username: 'ada', email: 'ada@acme.example', email_verified: true, groups: ['admins', 'everyone'] },
  'f-vic': { name: 'Vic Foreign', preferred_username: 'vic', email: 'vic@acme.example', email_verified: true, groups: ['viewers', 'everyone'] },
};

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'one' }] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false, // groups in the ID token, where the gate reads them
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  ttl: { AccessToken: 300, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Grant: 3600, Session: 3600 },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  // Nobody is asked whether the dashboard may know them: their company decided that.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope('openid profile email');
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();

async function interaction(request, response) {
  const { uid, prompt } = await provider.interactionDetails(request, response);
  if (request.method === 'POST') {
    let form = '';
    for await (const chunk of request) form += chunk;
    const login = new URLSearchParams(form).get('login');
    const accountId = Object.keys(people).find((id) => people[id].preferred_username === login);
    if (accountId) {
      return provider.interactionFinished(request, response, { login: { accountId } }, { mergeWithLastSubmission: false });
    }
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><title>Foreign sign-in</title><h1>${prompt.name}</h1>
<form method="post" action="/interaction/${uid}"><label>Name <input name="login"></label><button>Sign in</button></form>`);
}

const server = createServer((request, response) => {
  if (request.url === '/token') {
    // The provider takes a secret in either place, whatever the client is registered for: the test wants to know.
    console.log(`token asked for by ${request.headers.authorization?.startsWith('Basic ') ? 'client_secret_basic' : 'client_secret_post'}`);
  }
  if (!request.url.startsWith('/interaction/')) {
    return answer(request, response);
  }
  return interaction(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
provider.on('server_error', (_, error) => console.error(error));
server.listen(port, '127.0.0.1', () => console.log(`listening on ${issuer}`));
