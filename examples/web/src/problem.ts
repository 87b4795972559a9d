/** Something that the reader of the page can act on: what is wrong, and what to do about it. */
export class Problem extends Error {
  constructor(
    readonly what: string,
    readonly remedy: string,
  ) {
    super(`${what} ${remedy}`);
  }
}

/** Any error as a Problem; one that nobody foresaw keeps its own words. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new Problem(`Something failed that this page does not know: ${said}`, 'The browser console has the details.');
}
