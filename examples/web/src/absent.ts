throw new Error('This page is built without sign-in by wallet and without passwords.');
export {};
