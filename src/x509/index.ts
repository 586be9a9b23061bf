/** Certificates: who may speak for whom (RFC 5280, RFC 9525). */

export { createSelfSigned, type SelfSignedOptions } from './self-signed.ts';
export { createVerifier, type VerifierOptions } from './verifier.ts';
