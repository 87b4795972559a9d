import { type Clerk, loadClerk, signInByEmail, signInByTicket } from './clerk';
import { type Configuration, readConfiguration } from './configuration';
import { asProblem } from './problem';
import { SignedIn } from './signed-in';
import { choices, element, enter, onClick, onSubmit, show, tell, write } from './view';

/** The query parameter in which Clerk hands over a ticket. */
const TICKET = '__clerk_ticket';
const SLOW_MS = 6000;

/** Run an action; what fails is told at the top of the page. */
async function told(action: () => Promise<void>): Promise<void> {
  tell('problem', undefined);
  try {
    await action();
  } catch (error) {
    const problem = asProblem(error);
    if (problem !== error) console.error(error);
    tell('problem', problem);
  }
}

function showStack(configuration: Configuration): void {
  write('stack-name', configuration.stack);
  write('stack-api', configuration.graphqlUrl);
  show('stack-local', configuration.localClerk);
  show('stack');
  show('local-hint', configuration.localClerk);
  show('hosted', !configuration.localClerk);
}

function prepareSignIn(clerk: Clerk, configuration: Configuration): void {
  const email = element<HTMLInputElement>('email');
  const code = element<HTMLInputElement>('code');
  let finish: ((code: string) => Promise<void>) | undefined;

  function askForCode(asked: boolean): void {
    show('email-form', !asked);
    show('code-form', asked);
    code.value = '';
    (asked ? code : email).focus();
  }

  onSubmit('email-form', () =>
    told(async () => {
      finish = await signInByEmail(clerk, email.value.trim(), configuration);
      write('code-email', email.value.trim());
      askForCode(true);
    }),
  );
  onSubmit('code-form', () =>
    told(async () => {
      await finish?.(code.value);
      email.value = '';
      askForCode(false);
    }),
  );
  onClick('other-email', async () => askForCode(false));
  choices('demo-users', configuration.demoUsers, (user) => `${user.name}: ${user.email}`, (user) => {
    askForCode(false);
    email.value = user.email;
    element<HTMLFormElement>('email-form').requestSubmit();
  });
  const back = { signInForceRedirectUrl: location.href, signUpForceRedirectUrl: location.href };
  onClick('hosted-sign-in', () => told(async () => void (await clerk.redirectToSignIn(back))));
  onClick('hosted-sign-up', () => told(async () => void (await clerk.redirectToSignUp(back))));
  onClick('sign-out', () => told(() => clerk.signOut(() => undefined)));
}

async function takeTicket(clerk: Clerk, configuration: Configuration): Promise<void> {
  const address = new URL(location.href);
  const ticket = address.searchParams.get(TICKET);
  if (!ticket) return;
  // A ticket works once: it must not stay in the address.
  address.searchParams.delete(TICKET);
  history.replaceState(null, '', address);
  await signInByTicket(clerk, ticket, configuration);
}

async function start(): Promise<void> {
  enter('loading');
  const configuration = await readConfiguration();
  if (configuration.localClerk && location.hostname === 'localhost') {
    // The cookie of the local Clerk belongs to 127.0.0.1; from localhost the browser would keep it back.
    location.replace(location.href.replace('//localhost', '//127.0.0.1'));
    return;
  }
  showStack(configuration);
  const slow = setTimeout(() => write('loading-text', 'Clerk has not answered yet. Is it up? This page keeps trying …'), SLOW_MS);
  const clerk = await loadClerk(configuration).finally(() => clearTimeout(slow));
  const signedIn = new SignedIn(configuration);
  prepareSignIn(clerk, configuration);
  await told(() => takeTicket(clerk, configuration));
  clerk.addListener(({ session }) => {
    // undefined means that clerk-js is between two sessions.
    if (session === undefined) return;
    signedIn.follow(session ?? undefined);
    enter(session ? 'signed-in' : 'signed-out');
  });
}

start().catch((error: unknown) => {
  const problem = asProblem(error);
  if (problem !== error) console.error(error);
  enter('stopped');
  tell('problem', problem);
});
