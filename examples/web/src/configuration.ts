import { Problem } from './problem';

/** A user that `make web` made at the local Clerk. */
export interface DemoUser {
  readonly name: string;
  readonly email: string;
  readonly id: string;
}

/** What the page is told of a stack. All of it is public. */
export interface Configuration {
  readonly stack: string;
  readonly publishableKey: string;
  /** The template's name for `getToken`. */
  readonly jwtTemplate: string;
  readonly graphqlUrl: string;
  /** Public keys of the tokens; the page only looks whether anybody answers there. */
  readonly jwksUrl: string;
  /** The claim in which the session variables stand. */
  readonly claimsNamespace: string;
  /** Where the engine looks for the token, in the form of its JWT secret; empty is the header Authorization. */
  readonly jwtHeader: { readonly type?: string; readonly name?: string };
  /** Where the front-end API is, if not where the publishable key says. */
  readonly proxyUrl: string | undefined;
  /** The local Clerk signs in here. */
  readonly localClerk: boolean;
  readonly demoUsers: readonly DemoUser[];
}

const FILE = 'stack.json';
const REMEDY = 'Run `make web` in the project: it writes the file from the outputs of the stack.';

/** Read `stack.json` from beside the page. Throws Problem. */
export async function readConfiguration(): Promise<Configuration> {
  const answer = await fetch(`${import.meta.env.BASE_URL}${FILE}`, { cache: 'no-store' }).catch(() => undefined);
  if (!answer) throw new Problem('The server of this page does not answer any more.', 'Run `make web` again.');
  if (!answer.ok) throw new Problem(`This page has no ${FILE}, so it does not know its stack.`, REMEDY);
  const value: unknown = await answer.json().catch(() => undefined);
  if (typeof value !== 'object' || value === null) throw new Problem(`${FILE} is not a JSON object.`, REMEDY);
  const given = value as Partial<Record<keyof Configuration, unknown>>;
  const missing = (['stack', 'publishableKey', 'jwtTemplate', 'graphqlUrl', 'jwksUrl', 'claimsNamespace'] as const).filter(
    (key) => typeof given[key] !== 'string' || given[key] === '',
  );
  if (missing.length > 0) throw new Problem(`${FILE} does not say: ${missing.join(', ')}.`, REMEDY);
  return {
    stack: String(given.stack),
    publishableKey: String(given.publishableKey),
    jwtTemplate: String(given.jwtTemplate),
    graphqlUrl: String(given.graphqlUrl),
    jwksUrl: String(given.jwksUrl),
    claimsNamespace: String(given.claimsNamespace),
    jwtHeader: (given.jwtHeader ?? {}) as Configuration['jwtHeader'],
    proxyUrl: typeof given.proxyUrl === 'string' ? given.proxyUrl : undefined,
    localClerk: given.localClerk === true,
    demoUsers: Array.isArray(given.demoUsers) ? (given.demoUsers as DemoUser[]) : [],
  };
}
