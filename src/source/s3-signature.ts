// A file of its own: in what esbuild splits, a dynamic import of a CommonJS package has no named exports.
export { SignatureV4 } from '@smithy/signature-v4';
