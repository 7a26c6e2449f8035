/** The public surface: the documents, the error, and the judgement of a bundle. The program is `stowage`. */

export { type AdmitOptions, admit } from './bundle/admission/admit.ts';
export { readTrust } from './bundle/admission/trust-files.ts';
export type { AdmittedBundle } from './bundle/admitted-bundle.ts';
export { verifyParts } from './bundle/verify.ts';
export type { Context, Emit, StowageEvent } from './core/context.ts';
export { type ErrorCode, errorCodes, exitStatus, StowageError } from './core/error.ts';
export { type Bundle, bundleKind } from './format/bundle.ts';
export { readCanonical, readJson } from './format/document.ts';
export { type Lock, lockKind } from './format/lock.ts';
export { type Manifest, manifestKind } from './format/manifest.ts';
export { type Plan, planKind } from './format/plan.ts';
export { type Receipt, receiptKind } from './format/receipt.ts';
export { type Site, siteKind } from './format/site.ts';
export { type Trust, trustKind } from './format/trust.ts';
export { readYaml } from './format/yaml-document.ts';
