import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Leaves out what no code of ours calls: of node-forge everything but DER, so that none of its cryptography is in the
 * installer at all; of zod the messages in forty languages. An executable reads all of its code whenever it starts.
 */
export const lean: Plugin = {
  name: 'lean',
  setup(build) {
    build.onResolve({ filter: /^node-forge$/ }, ({ resolveDir }) => ({
      path: 'node-forge-der',
      namespace: 'lean',
      pluginData: resolveDir,
    }));
    build.onLoad({ filter: /.*/, namespace: 'lean' }, ({ pluginData }) => ({
      contents: "module.exports = require('node-forge/lib/forge'); require('node-forge/lib/asn1');",
      resolveDir: String(pluginData),
    }));
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(path),
    }));
  },
};
