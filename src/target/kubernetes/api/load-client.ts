import { createRequire } from 'node:module';
import { getAsset, isSea } from 'node:sea';
import { compileFunction } from 'node:vm';

type ClientLibrary = typeof import('./client-library.ts');

let loaded: ClientLibrary | undefined;

/**
 * The client library of Kubernetes. Loading it takes a tenth of a second, so only a command that speaks to a cluster does. An
 * installer reads all of its code at every start: there it is a file beside the code.
 */
export async function clientLibrary(): Promise<ClientLibrary> {
  loaded ??= isSea() ? fromAsset() : await import('./client-library.ts');
  return loaded;
}

function fromAsset(): ClientLibrary {
  const module: { exports: unknown } = { exports: {} };
  const code = getAsset('client-library.js', 'utf8');
  const run = compileFunction(code, ['module', 'exports', 'require']);
  run(module, module.exports, createRequire('/'));
  return module.exports as ClientLibrary;
}
