/** What the page shows of a token. Times in seconds since 1970. */
export interface TokenFacts {
  readonly id: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly role: string;
  readonly userId: string;
}

/** Read a token's claims, for display only: to check a token is the engine's work. */
export function tokenFacts(token: string, namespace: string): TokenFacts {
  const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
  const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const hasura = (claims[namespace] ?? {}) as Record<string, unknown>;
  return {
    id: String(claims['jti'] ?? ''),
    issuedAt: Number(claims['iat']),
    expiresAt: Number(claims['exp']),
    role: String(hasura['x-hasura-default-role'] ?? 'none'),
    userId: String(hasura['x-hasura-user-id'] ?? 'none'),
  };
}
