import { type Clerk, templateToken } from './clerk';
import type { Configuration } from './configuration';
import { type Answer, EVERY_ROW, ROW_OF, ask } from './engine';
import { asProblem } from './problem';
import { type TokenFacts, tokenFacts } from './token';
import { choices, element, onClick, onSubmit, show, tell, verdict, write, writeProse } from './view';

type Session = NonNullable<Clerk['session']>;

const TICK_MS = 1000;
const AGAIN_AFTER_FAILURE_MS = 5000;

/** The signed-in part of the page, for one session after the other. */
export class SignedIn {
  private session: Session | undefined;
  private token: TokenFacts | undefined;
  private renewals = 0;
  private failedAt: number | undefined;

  constructor(private readonly configuration: Configuration) {
    write('token-template', configuration.jwtTemplate);
    write('row-query', EVERY_ROW);
    onClick('read-again', () => this.readRow());
    onSubmit('other-form', () => this.askForOther());
  }

  /** Show this session, or with undefined show nothing of the last one. */
  follow(session: Session | undefined): void {
    if (session?.id === this.session?.id) return;
    this.session = session;
    this.token = undefined;
    this.renewals = 0;
    this.failedAt = undefined;
    this.forget();
    if (!session) return;
    write('user-email', session.user?.primaryEmailAddress?.emailAddress ?? 'signed in');
    write('user-id', session.user?.id ?? '');
    const others = this.configuration.demoUsers.filter((user) => user.id !== session.user?.id);
    choices('other-demo', others, (user) => `The id of ${user.name}`, (user) => {
      element<HTMLInputElement>('other-id').value = user.id;
      element<HTMLFormElement>('other-form').requestSubmit();
    });
    void this.keepUpToDate(session);
  }

  private forget(): void {
    for (const id of ['user-email', 'user-id', 'row-id', 'row-name', 'row-last-seen', 'row-raw', 'no-row-sql']) write(id, '');
    for (const id of ['other-raw', 'other-query', 'token-expiry', 'token-role', 'token-user']) write(id, '');
    for (const id of ['row', 'row-count', 'no-row', 'other-answer']) show(id, false);
    write('token-id', 'none yet');
    write('token-renewals', 'not yet');
    delete element('token-id').dataset['jti'];
    element<HTMLInputElement>('other-id').value = '';
    tell('row-problem', undefined);
    tell('other-problem', undefined);
    show('row-loading');
  }

  /** Until the session ends: have a token that is valid, and read the row with each new one. */
  private async keepUpToDate(session: Session): Promise<void> {
    while (this.session === session) {
      const again = this.failedAt !== undefined && Date.now() - this.failedAt > AGAIN_AFTER_FAILURE_MS;
      // getToken answers from the cache of clerk-js until the token is about to expire.
      if (this.failedAt === undefined || again) {
        const known = this.token?.id;
        const token = await this.currentToken(session);
        if (this.session !== session) return;
        if (token && (again || this.token?.id !== known)) await this.readRow();
      }
      this.showLife();
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }

  private async currentToken(session: Session): Promise<string | undefined> {
    try {
      const token = await templateToken(session, this.configuration);
      if (this.session === session) this.accept(tokenFacts(token, this.configuration.claimsNamespace));
      return token;
    } catch (error) {
      if (this.session === session) this.fail(error);
      return undefined;
    }
  }

  private accept(facts: TokenFacts): void {
    if (facts.id === this.token?.id) return;
    if (this.token) this.renewals += 1;
    this.token = facts;
    write('token-id', `…${facts.id.slice(-8)}`);
    element('token-id').dataset['jti'] = facts.id;
    write('token-renewals', this.renewals === 0 ? 'not yet' : `${this.renewals} ${this.renewals === 1 ? 'time' : 'times'}`);
    write('token-role', facts.role);
    write('token-user', facts.userId);
    this.showLife();
  }

  private showLife(): void {
    if (!this.token) return;
    const { issuedAt, expiresAt } = this.token;
    const left = Math.max(0, Math.ceil(expiresAt - Date.now() / 1000));
    write('token-expiry', left > 0 ? `in ${left} s` : 'has expired');
    element<HTMLProgressElement>('token-life').value = left / Math.max(1, expiresAt - issuedAt);
  }

  private fail(error: unknown): void {
    this.failedAt = Date.now();
    show('row-loading', false);
    // What was read before may no longer be so.
    for (const id of ['row', 'row-count', 'no-row']) show(id, false);
    tell('row-problem', asProblem(error));
  }

  private async query(session: Session, query: string, variables: Record<string, string> = {}): Promise<Answer> {
    const token = await templateToken(session, this.configuration);
    return ask(this.configuration, token, query, variables);
  }

  private async readRow(): Promise<void> {
    const session = this.session;
    if (!session) return;
    try {
      const answer = await this.query(session, EVERY_ROW);
      if (this.session === session) this.showRow(answer, session.user?.id ?? '');
    } catch (error) {
      if (this.session === session) this.fail(error);
    }
  }

  private showRow(answer: Answer, userId: string): void {
    this.failedAt = undefined;
    tell('row-problem', undefined);
    show('row-loading', false);
    write('row-raw', answer.raw);
    const own = answer.rows.find((row) => row.id === userId);
    const foreign = answer.rows.length - (own ? 1 : 0);
    show('row', own !== undefined);
    write('row-id', own?.id ?? '');
    write('row-name', own?.name ?? (own ? 'null' : ''));
    write('row-last-seen', own?.last_seen ?? (own ? 'null' : ''));
    if (foreign > 0) {
      const whose = foreign === 1 ? 'A row of another user' : `${foreign} rows of other users`;
      verdict('row-count', `${whose} came back: the isolation is broken. Run \`make prove\`.`, false);
    } else verdict('row-count', own ? 'One row came back: yours.' : '', true);
    show('no-row', !own);
    if (own) return;
    writeProse(
      'no-row-remedy',
      this.configuration.localClerk
        ? 'The role may only read, so this page cannot make it. `make web` inserts the rows of the demo users. For any other user run this SQL as the database’s owner:'
        : 'The role may only read, so this page cannot make it. Insert it where your users are made, for example on Clerk’s user.created webhook. By hand, as the database’s owner:',
    );
    write('no-row-sql', `insert into users (id, name) values ('${userId}', 'your name');`);
  }

  private async askForOther(): Promise<void> {
    const session = this.session;
    if (!session) return;
    const id = element<HTMLInputElement>('other-id').value.trim();
    show('other-answer', false);
    tell('other-problem', undefined);
    try {
      const answer = await this.query(session, ROW_OF, { id });
      if (this.session === session) this.showOther(answer, id, session.user?.id ?? '');
    } catch (error) {
      if (this.session === session) tell('other-problem', asProblem(error));
    }
  }

  private showOther(answer: Answer, id: string, userId: string): void {
    write('other-query', `${ROW_OF}\n\n${JSON.stringify({ id })}`);
    write('other-raw', answer.raw);
    const foreign = answer.rows.some((row) => row.id !== userId);
    if (foreign) {
      verdict('other-verdict', 'The row of another user came back: the isolation is broken.', false);
      writeProse('other-meaning', 'Run `make prove`, and look at the select permission of the role on users.');
    } else if (answer.rows.length > 0) {
      verdict('other-verdict', 'Your own row came back.', true);
      write('other-meaning', 'This id is yours. Ask for the id of somebody else.');
    } else if (id === userId) {
      verdict('other-verdict', 'Nothing came back.', true);
      write('other-meaning', 'This id is yours, and you have no row yet.');
    } else {
      verdict('other-verdict', 'Nothing came back.', true);
      write(
        'other-meaning',
        'To every query the engine adds “and id is the user id in the token”. So you cannot read a row of another ' +
          'user, and you cannot tell either whether there is one: the answer is the same.',
      );
    }
    show('other-answer');
  }
}
