import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vite';

const absent = fileURLToPath(new URL('src/absent.ts', import.meta.url));

export default defineConfig({
  // A file that is missing is answered with 404, not with the page.
  appType: 'mpa',
  resolve: {
    // clerk-js loads these only to sign in with a wallet or to rate a password. The page does neither.
    alias: ['@base-org/account', '@coinbase/wallet-sdk', '@zxcvbn-ts/core', '@zxcvbn-ts/language-common'].map(
      (find) => ({ find, replacement: absent }),
    ),
  },
  // 127.0.0.1, not localhost: the cookie of the local Clerk is kept for this host name.
  server: { host: '127.0.0.1', strictPort: true },
  preview: { host: '127.0.0.1', strictPort: true },
  build: { target: 'es2022', chunkSizeWarningLimit: 1200 },
});
