// Uses the official @clerk/backend against the local Clerk and prints what it got as one JSON object.
// Input: CLERK_URL, SECRET_KEY, EMAIL in the environment.
import { createClerkClient, verifyToken } from '@clerk/backend';

const { CLERK_URL, SECRET_KEY, EMAIL } = process.env;
const clerk = createClerkClient({ secretKey: SECRET_KEY, apiUrl: CLERK_URL });
const seen = {};

const template = await clerk.jwtTemplates.create({
  name: 'from_javascript',
  claims: { id: '{{user.id}}', plan: "{{user.public_metadata.plan || 'free'}}" },
  lifetime: 120,
});
const templates = await clerk.jwtTemplates.list();
seen.templates = { total: templates.totalCount, names: templates.data.map((each) => each.name) };

const user = await clerk.users.createUser({ emailAddress: [EMAIL], skipPasswordRequirement: true });
const users = await clerk.users.getUserList({ emailAddress: [EMAIL] });
seen.users = { total: users.totalCount, same: users.data[0].id === user.id };
seen.renamed = (await clerk.users.updateUser(user.id, { firstName: 'Ada' })).firstName;

const session = await clerk.sessions.createSession({ userId: user.id });
const custom = (await clerk.sessions.getToken(session.id, template.name)).jwt;
const claims = await verifyToken(custom, { secretKey: SECRET_KEY, apiUrl: CLERK_URL });
seen.template = { idIsUser: claims.id === user.id, plan: claims.plan, seconds: claims.exp - claims.iat };
const plain = (await clerk.sessions.getToken(session.id)).jwt;
seen.sidIsSession = (await verifyToken(plain, { secretKey: SECRET_KEY, apiUrl: CLERK_URL })).sid === session.id;
seen.kids = (await clerk.jwks.getJwks()).keys.map((key) => key.kid);
seen.sessions = (await clerk.sessions.getSessionList({ userId: user.id })).data.map((each) => each.status);
seen.revoked = (await clerk.sessions.revokeSession(session.id)).status;
const ticket = await clerk.signInTokens.createSignInToken({ userId: user.id, expiresInSeconds: 60 });
seen.ticket = { status: ticket.status, hasToken: ticket.token.length > 0 };
seen.revokedTicket = (await clerk.signInTokens.revokeSignInToken(ticket.id)).status;
seen.testingToken = (await clerk.testingTokens.createTestingToken()).token.length > 0;
seen.environment = (await clerk.instance.get()).environmentType;
seen.domains = (await clerk.domains.list()).data.map((each) => each.frontendApiUrl);
try {
  await clerk.jwtTemplates.create({ name: 'from_javascript', claims: {} });
} catch (error) {
  seen.duplicate = { status: error.status, param: error.errors[0].meta.paramName };
}
seen.deletedTemplate = (await clerk.jwtTemplates.delete(template.id)).deleted;
seen.deletedUser = (await clerk.users.deleteUser(user.id)).deleted;
console.log(JSON.stringify(seen));
