// Runs the real clerk-js in jsdom as a page would, and prints what the page saw as one JSON object.
// Input: CLERK_URL, PUBLISHABLE_KEY, TICKET in the environment.
import { JSDOM } from 'jsdom';

const { CLERK_URL, PUBLISHABLE_KEY, TICKET } = process.env;
const page = new JSDOM('<!doctype html><body></body>', { url: 'http://127.0.0.1:5173/' });
const { window } = page;
const networkFetch = globalThis.fetch;
const requests = [];

// jsdom has no fetch of its own. This one keeps cookies, names the page's origin, and refuses what a
// browser would refuse.
async function pageFetch(input, init = {}) {
  const url = new URL(String(input), window.location.href);
  requests.push(`${url.searchParams.get('_method') ?? init.method ?? 'GET'} ${url.pathname}`);
  const headers = new Headers(init.headers);
  headers.set('Origin', window.location.origin);
  const cookies = await page.cookieJar.getCookieString(url.href);
  if (cookies) headers.set('Cookie', cookies);
  const answer = await networkFetch(url, { method: init.method, body: init.body, headers });
  if (
    answer.headers.get('access-control-allow-origin') !== window.location.origin ||
    answer.headers.get('access-control-allow-credentials') !== 'true'
  ) {
    throw new TypeError(`a browser would block ${url.pathname}: credentials are not allowed`);
  }
  for (const cookie of answer.headers.getSetCookie()) await page.cookieJar.setCookie(cookie, url.href);
  return answer;
}

// The bundle is one line: show an error without its source.
process.on('uncaughtException', (error) => {
  console.error(error.stack ?? error);
  process.exit(1);
});

window.fetch = pageFetch;
for (const [name, value] of Object.entries({
  window,
  document: window.document,
  location: window.location,
  localStorage: window.localStorage,
  history: window.history,
  self: window,
  Event: window.Event,
  CustomEvent: window.CustomEvent,
  navigator: window.navigator,
  fetch: pageFetch,
})) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

const { Clerk } = await import('@clerk/clerk-js/no-rhc');
const clerk = new Clerk(PUBLISHABLE_KEY, { proxyUrl: `${CLERK_URL}/__clerk` });
await clerk.load({ telemetry: false, standardBrowser: true });

const seen = { status: clerk.status, signedInAtStart: Boolean(clerk.user) };
const attempt = await clerk.client.signIn.create({ strategy: 'ticket', ticket: TICKET });
seen.signIn = attempt.status;
await clerk.setActive({ session: attempt.createdSessionId });
seen.userId = clerk.user?.id;
seen.token = await clerk.session.getToken({ template: 'hasura' });
seen.sessionToken = await clerk.session.getToken();
try {
  await clerk.session.getToken({ template: 'hasurra' });
} catch (error) {
  seen.unknownTemplate = { status: error.status, code: error.errors?.[0]?.code };
}
try {
  await clerk.client.signIn.create({ strategy: 'ticket', ticket: TICKET });
} catch (error) {
  seen.usedTicket = { status: error.status, code: error.errors?.[0]?.code };
}
await clerk.signOut(() => {});
seen.signedInAfterSignOut = Boolean(clerk.user);

const byCode = await clerk.client.signIn.create({ identifier: process.env.EMAIL });
const factor = byCode.supportedFirstFactors.find((each) => each.strategy === 'email_code');
await byCode.prepareFirstFactor({ strategy: 'email_code', emailAddressId: factor.emailAddressId });
const finished = await byCode.attemptFirstFactor({ strategy: 'email_code', code: '424242' });
await clerk.setActive({ session: finished.createdSessionId });
seen.userIdByCode = clerk.user?.id;
seen.requests = [...new Set(requests)];
console.log(JSON.stringify(seen));
process.exit(0);
