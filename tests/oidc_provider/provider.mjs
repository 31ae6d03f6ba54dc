// A real OpenID provider on loopback: node provider.mjs PORT REDIRECT_URI
// Whoever types a name is that person; `unsure…` have an address that nobody has verified.
// NODE_MODULES says where oidc-provider was installed (see .ci/run).
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const entry = join(process.env.NODE_MODULES, 'oidc-provider', 'lib', 'index.js');
const { Provider } = await import(pathToFileURL(entry));
const [port, redirect] = process.argv.slice(2);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'kotta',
    client_secret: 'a secret: with + and %',
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: !id.startsWith('unsure') }),
  }),
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: [] },
  pkce: { required: () => true },
  cookies: { keys: ['for tests'] },
  features: { devInteractions: { enabled: true } },
});
const server = provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
process.on('SIGTERM', () => { server.close(); server.closeAllConnections(); });
