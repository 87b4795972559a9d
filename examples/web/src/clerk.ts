import { Clerk, isClerkAPIResponseError, isClerkRuntimeError } from '@clerk/clerk-js/no-rhc';

import type { Configuration } from './configuration';
import { Problem } from './problem';

export type { Clerk };
type Session = NonNullable<Clerk['session']>;

/** Load clerk-js. Throws Problem when Clerk cannot be reached. */
export async function loadClerk(configuration: Configuration): Promise<Clerk> {
  const { publishableKey, proxyUrl, jwksUrl } = configuration;
  // clerk-js itself loads without a word, with nobody signed in, where Clerk is out of reach.
  await fetch(jwksUrl, { mode: 'no-cors', cache: 'no-store' }).catch((error: unknown) => {
    throw unreachable(configuration, error);
  });
  try {
    const clerk = new Clerk(publishableKey, proxyUrl ? { proxyUrl } : undefined);
    await clerk.load({ telemetry: false, standardBrowser: true });
    return clerk;
  } catch (error) {
    throw unreachable(configuration, error);
  }
}

function unreachable(configuration: Configuration, error: unknown): Problem {
  // Whenever a request fails, clerk-js takes the browser to be offline; what is true of it is said already.
  const known = isClerkRuntimeError(error) && error.code === 'clerk_offline';
  const said = known ? '' : `: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  return new Problem(
    `Clerk at ${new URL(configuration.jwksUrl).origin} does not answer${said}.`,
    configuration.localClerk
      ? 'Run `make up`, which starts the local Clerk, then `make web` again.'
      : 'Check the network, and that the publishable key is one of an application that still exists.',
  );
}

/** A token by the stack's template; clerk-js keeps it and renews it in time. Throws Problem. */
export async function templateToken(session: Session, configuration: Configuration): Promise<string> {
  const template = configuration.jwtTemplate;
  let token: string | null;
  try {
    token = await session.getToken({ template });
  } catch (error) {
    if (isClerkAPIResponseError(error) && error.status === 404) {
      throw new Problem(
        `Clerk has no JWT template named “${template}”.`,
        'Run `pulumi refresh`, then `pulumi up`, which creates it. If it was renamed on purpose, run `make web` again.',
      );
    }
    throw explained(error, configuration);
  }
  if (!token) throw new Problem('Clerk gave no token: the session has ended.', 'Sign in again.');
  return token;
}

/** Sign in by a ticket, a sign-in token of Clerk's Backend API. Throws Problem. */
export async function signInByTicket(clerk: Clerk, ticket: string, configuration: Configuration): Promise<void> {
  try {
    if (clerk.session) await clerk.signOut(() => undefined);
    const attempt = await client(clerk).signIn.create({ strategy: 'ticket', ticket });
    await clerk.setActive({ session: attempt.createdSessionId });
  } catch (error) {
    throw explained(error, configuration);
  }
}

/** Begin to sign in by an e-mail code; call what it gives with the code. Both throw Problem. */
export async function signInByEmail(
  clerk: Clerk,
  email: string,
  configuration: Configuration,
): Promise<(code: string) => Promise<void>> {
  try {
    const attempt = await client(clerk).signIn.create({ identifier: email });
    const factor = attempt.supportedFirstFactors?.find((each) => each.strategy === 'email_code');
    if (!factor) {
      throw new Problem(
        'This Clerk application does not sign this user in by an e-mail code.',
        'Use the page of the application, below.',
      );
    }
    await attempt.prepareFirstFactor({ strategy: 'email_code', emailAddressId: factor.emailAddressId });
    return async (code) => {
      try {
        const done = await attempt.attemptFirstFactor({ strategy: 'email_code', code });
        if (done.status !== 'complete') {
          throw new Problem(`Clerk asks for more than the code (${done.status}).`, 'Use the page of the application, below.');
        }
        await clerk.setActive({ session: done.createdSessionId });
      } catch (error) {
        throw explained(error, configuration);
      }
    };
  } catch (error) {
    throw explained(error, configuration);
  }
}

function client(clerk: Clerk): NonNullable<Clerk['client']> {
  if (!clerk.client) throw new Problem('Clerk gave no client.', 'Load the page again.');
  return clerk.client;
}

function explained(error: unknown, configuration: Configuration): Problem {
  if (error instanceof Problem) return error;
  if (!isClerkAPIResponseError(error)) return unreachable(configuration, error);
  const first = error.errors[0];
  const remedies: Readonly<Record<string, string>> = {
    form_identifier_not_found: configuration.localClerk
      ? 'Use one of the demo users; `make web` makes them.'
      : 'Sign up first, on the page of the application.',
    form_code_incorrect: configuration.localClerk ? 'The code of the local Clerk is 424242.' : 'Look at the newest mail.',
    sign_in_token_already_used_code: 'Ask for a new ticket, or sign in by e-mail.',
  };
  return new Problem(
    `Clerk refused: ${first?.longMessage ?? first?.message ?? error.message}${first ? ` (${first.code})` : ''}`,
    remedies[first?.code ?? ''] ?? 'Try again.',
  );
}
