// A SAML identity provider that is not ours: npm's samlp, which is Auth0's, with the few things it leaves to whoever
// runs it. It listens on loopback, knows two people, asks for a name and no password, and forgets everything when it
// ends.
//
// The environment variable IDP holds its settings as JSON: {"port", "cert", "key", "sp", "signatureAlgorithm",
// "digestAlgorithm", "encrypt", "signResponse", "logoutBinding"}. sp is the address of the one service provider's
// metadata, which is its name.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

// The package lies below the folder we are run in, not beside this file.
const samlp = createRequire(process.cwd() + '/')('samlp');

const settings = JSON.parse(process.env.IDP);
const { port, cert, key } = settings;
const origin = `http://127.0.0.1:${port}`;
const issuer = 'urn:foreign.auth0.example';

const people = {
  ada: { id: 'auth0|f-ada', email: 'ada@acme.example', name: 'Ada Foreign', groups: ['admins', 'everyone'] },
  vic: { id: 'auth0|f-vic', email: 'vic@acme.example', name: 'Vic Foreign', groups: ['viewers', 'everyone'] },
};

const claims = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/';

function mapper(person) {
  return {
    getClaims: () => ({
      [claims + 'nameidentifier']: person.id, [claims + 'emailaddress']: person.email, [claims + 'name']: person.name,
      'http://schemas.auth0.com/groups': person.groups,
    }),
    getNameIdentifier: () => ({ nameIdentifier: person.id }),
  };
}
mapper.prototype.metadata = [{ id: claims + 'emailaddress', displayName: 'E-Mail Address' }];

// What the service provider says about itself.
async function serviceProvider() {
  const text = await (await fetch(settings.sp)).text();
  const certificate = (use) => text.match(new RegExp(`use="${use}"[^]*?<(?:\\w+:)?X509Certificate[^>]*>([^<]*)<`))?.[1].replace(/\s/g, '');
  return {
    acs: text.match(/AssertionConsumerService[^>]*Location="([^"]*)"/)[1],
    slo: text.match(/SingleLogoutService[^>]*Location="([^"]*)"/)?.[1],
    signing: certificate('signing'),
    encryption: certificate('encryption'),
  };
}

const pem = (der) => `-----BEGIN CERTIFICATE-----\n${der.match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n`;

const sessions = new Map(); // cookie → { person, index }
const participants = []; // as samlp keeps them
const states = new Map();
const store = {
  save(_, state, done) { const id = randomBytes(8).toString('hex'); states.set(id, state); done(null, id); },
  load(_, id, options, done) {
    if (typeof options === 'function') [options, done] = [{}, options];
    const state = states.get(id);
    if (options.destroy) states.delete(id);
    done(null, state);
  },
  update(_, id, state, done) { states.set(id, state); done(null, id); },
};

const logout = (protocolBinding) => samlp.logout({
  deflate: true, issuer, cert, key, protocolBinding, store, sessionParticipants: list(participants),
  signatureAlgorithm: settings.signatureAlgorithm, digestAlgorithm: settings.digestAlgorithm,
  clearIdPSession: (done) => { sessions.clear(); done(); },
});

// samlp takes an object with these methods and keeps its own class to itself.
function list(all) {
  const at = (sp, indexes, name) => all.findIndex((p) => (!sp || p.serviceProviderId === sp) && [].concat(indexes).includes(p.sessionIndex) && p.nameId === name);
  return {
    hasElements: () => all.length > 0,
    getFirst: (done) => done(null, all[0]),
    get: (sp, indexes, name, done) => done(null, all[at(sp, indexes, name)]),
    remove: (sp, index, name, done) => { const i = at(sp, index, name); done(null, i < 0 ? undefined : all.splice(i, 1)[0]); },
  };
}

const REDIRECT = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect';
const POST = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST';

const metadata = samlp.metadata({
  issuer, cert, profileMapper: mapper, redirectEndpointPath: '/sso', postEndpointPath: '/sso',
  logoutEndpointPaths: { redirect: '/slo', post: '/slo' },
});

async function sso(request, response, next) {
  const asked = await new Promise((done, fail) => samlp.parseRequest(request, {}, (err, data) => (err ? fail(err) : done(data))));
  if (asked && asked.issuer !== settings.sp) {
    return response.status(403).send('unknown service provider');
  }
  const cookie = request.headers.cookie?.match(/(?:^|; )foreign=([0-9a-f]+)/)?.[1];
  let session = sessions.get(cookie);
  if (request.body.login in people) {
    session = { person: people[request.body.login], index: '_' + randomBytes(12).toString('hex') };
    const id = randomBytes(16).toString('hex');
    sessions.set(id, session);
    response.set('Set-Cookie', `foreign=${id}; Path=/; HttpOnly`);
  }
  if (!session || (asked?.forceAuthn === 'true' && !request.body.login)) {
    return response.set('Content-Type', 'text/html; charset=utf-8').send(`<!doctype html><title>Foreign sign-in</title><h1>login</h1>
<form method="post" action="/sso"><input type="hidden" name="SAMLRequest" value="${request.query.SAMLRequest || request.body.SAMLRequest || ''}"><input type="hidden" name="RelayState" value="${request.query.RelayState || request.body.RelayState || ''}">
<label>Name <input name="login"></label><button>Sign in</button></form>`);
  }
  const sp = await serviceProvider();
  participants.push({
    serviceProviderId: settings.sp, nameId: session.person.id, nameIdFormat: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified', sessionIndex: session.index,
    serviceProviderLogoutURL: sp.slo, cert: sp.signing, binding: settings.logoutBinding === 'post' ? POST : REDIRECT,
  });
  samlp.auth({
    issuer, cert, key, profileMapper: mapper, audience: settings.sp, destination: sp.acs, recipient: sp.acs, sessionIndex: session.index,
    signatureAlgorithm: settings.signatureAlgorithm, digestAlgorithm: settings.digestAlgorithm, signResponse: settings.signResponse,
    getUserFromRequest: () => session.person, getPostURL: (_, __, ___, done) => done(null, sp.acs),
    ...(settings.encrypt && { encryptionCert: pem(sp.encryption), encryptionPublicKey: pem(sp.encryption), encryptionAlgorithm: settings.encrypt }),
  })(request, response, next);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  let form = '';
  for await (const chunk of request) form += chunk;
  // What samlp expects is Express's.
  Object.assign(request, { originalUrl: request.url, protocol: 'http', query: Object.fromEntries(url.searchParams), body: Object.fromEntries(new URLSearchParams(form)) });
  Object.assign(response, {
    set: (name, value) => { response.setHeader(name, value); return response; },
    status: (code) => { response.statusCode = code; return response; },
    send: (body) => { if (typeof body === 'number') response.writeHead(body).end(String(body)); else response.end(body); },
    redirect: (to) => response.writeHead(302, { location: to }).end(),
  });
  const fail = (error) => { console.error(error); if (!response.headersSent) response.writeHead(500); response.end('refused'); };
  try {
    if (url.pathname === '/metadata') return metadata(request, response);
    if (url.pathname === '/sso') return await sso(request, response, fail);
    if (url.pathname === '/slo') return logout(settings.logoutBinding === 'post' ? POST : REDIRECT)(request, response, fail);
    response.writeHead(404).end();
  } catch (error) {
    fail(error);
  }
});
server.listen(port, '127.0.0.1', () => console.log(`listening on ${origin}`));
