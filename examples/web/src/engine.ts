import type { Configuration } from './configuration';
import { Problem } from './problem';

/** Asks for every row of the table: the permission leaves the user's own. */
export const EVERY_ROW = `query EveryRow {
  users {
    id
    name
    last_seen
  }
}`;

export const ROW_OF = `query RowOf($id: String!) {
  users(where: { id: { _eq: $id } }) {
    id
    name
    last_seen
  }
}`;

export interface Row {
  readonly id: string;
  readonly name: string | null;
  readonly last_seen: string | null;
}

/** An answer with rows. `raw` is the body as it came. */
export interface Answer {
  readonly rows: readonly Row[];
  readonly raw: string;
}

interface Body {
  readonly data?: { readonly users?: readonly Row[] };
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

/** Send a query with the user's token. Throws Problem. */
export async function ask(
  configuration: Configuration,
  token: string,
  query: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const url = configuration.graphqlUrl;
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...withToken(token, configuration.jwtHeader) },
    body: JSON.stringify({ query, variables }),
  }).catch(() => undefined);
  if (!answer) {
    throw new Problem(
      `Hasura at ${new URL(url).origin} does not answer, or does not let ${location.origin} in.`,
      'If it is down, run `make up`. If it is up, add this origin: ' +
        `\`pulumi config set --path 'hasuraCorsDomains[0]' ${location.origin}\`, then \`pulumi up\`.`,
    );
  }
  const raw = await answer.text();
  let body: Body;
  try {
    body = JSON.parse(raw) as Body;
  } catch {
    throw new Problem(`What answers at ${url} is not Hasura (status ${answer.status}).`, 'Run `make web` again.');
  }
  const error = body.errors?.[0];
  if (error) throw refusal(error.message, error.extensions?.code ?? '');
  return { rows: body.data?.users ?? [], raw };
}

function withToken(token: string, { type, name }: Configuration['jwtHeader']): Record<string, string> {
  if (type === 'Cookie') {
    throw new Problem(
      `The engine of this stack takes a token from the cookie ${name} only (jwtHeader), and a script cannot send it one.`,
      'Let what serves your pages set that cookie, or run `pulumi config rm jwtHeader`, then `pulumi up`.',
    );
  }
  return type === 'CustomHeader' && name ? { [name]: token } : { Authorization: `Bearer ${token}` };
}

function refusal(message: string, code: string): Problem {
  if (/JWTExpired|JWTNotYetValid/.test(message)) {
    return new Problem(
      `Hasura refused the query: ${message}${code ? ` (${code})` : ''}.`,
      'The clocks of Clerk and of the engine differ by more than a token allows: set them right, or let the engine ' +
        'be lenient: `pulumi config set jwtAllowedSkew 5`, then `pulumi up`.',
    );
  }
  const remedies: Readonly<Record<string, string>> = {
    'invalid-jwt':
      'The engine does not accept the token. Its issuer or its keys are not those of this Clerk application: ' +
      'run `pulumi refresh`, then `pulumi up`.',
    'jwt-invalid-claims': 'The JWT template lacks claims that Hasura needs: run `pulumi refresh`, then `pulumi up`.',
    'access-denied': 'The token does not allow this role: look at userRole and at the template.',
    'validation-failed':
      'The table or the permission to read it is missing: run `pulumi refresh`, then `pulumi up`.',
  };
  return new Problem(
    `Hasura refused the query: ${message}${code ? ` (${code})` : ''}.`,
    remedies[code] ?? 'Look at the log of the engine, and run `make prove`.',
  );
}
