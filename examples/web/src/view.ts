import type { Problem } from './problem';

/** The element of this id, which `index.html` is known to have. */
export function element<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found as Kind;
}

/** Text is only ever set as text: names and answers come from elsewhere. */
export function write(id: string, text: string): void {
  element(id).textContent = text;
}

/** The same, with what stands between backticks shown as code. */
export function writeProse(id: string, text: string): void {
  element(id).replaceChildren(
    ...text.split('`').map((part, index) => {
      const node = document.createElement(index % 2 === 1 ? 'code' : 'span');
      node.textContent = part;
      return node;
    }),
  );
}

export function show(id: string, shown = true): void {
  element(id).hidden = !shown;
}

export type State = 'loading' | 'signed-out' | 'signed-in' | 'stopped';

/** Show the part of the page that belongs to a state. */
export function enter(state: State): void {
  document.body.dataset['state'] = state;
  show('loading', state === 'loading');
  show('signed-out', state === 'signed-out');
  show('signed-in', state === 'signed-in');
  show('account', state === 'signed-in');
}

/** Show a problem in the place of this prefix, or take it away. */
export function tell(place: 'problem' | 'row-problem' | 'other-problem', problem: Problem | undefined): void {
  show(place, problem !== undefined);
  write(`${place}-what`, problem?.what ?? '');
  writeProse(`${place}-remedy`, problem?.remedy ?? '');
}

export function verdict(id: string, text: string, good: boolean): void {
  writeProse(id, text);
  element(id).classList.toggle('bad', !good);
  show(id, text !== '');
}

/** Run what a form does, with its button at rest until it is done. */
export function onSubmit(id: string, action: (form: HTMLFormElement) => Promise<void>): void {
  const form = element<HTMLFormElement>(id);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void resting(form.querySelector('button[type=submit]'), () => action(form));
  });
}

export function onClick(id: string, action: () => Promise<void>): void {
  const button = element<HTMLButtonElement>(id);
  button.addEventListener('click', () => void resting(button, action));
}

async function resting(button: HTMLButtonElement | null, action: () => Promise<void>): Promise<void> {
  if (button) button.disabled = true;
  try {
    await action();
  } finally {
    if (button) button.disabled = false;
  }
}

/** One button for each choice. */
export function choices<Choice>(
  id: string,
  all: readonly Choice[],
  label: (choice: Choice) => string,
  action: (choice: Choice) => void,
): void {
  element(id).replaceChildren(
    ...all.map((choice) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'quiet';
      button.textContent = label(choice);
      button.addEventListener('click', () => action(choice));
      return button;
    }),
  );
}
