import { type GoProgram, goProgram, hasGoProgram } from './go-program.ts';

const GRYPE: GoProgram = {
  name: 'grype',
  module: 'github.com/anchore/grype',
  version: 'v0.121.2',
  sum: 'h1:t8eTlmy/XSrNwjoahWG+oUod1oCLL3KL48l/qwkzUQw=',
  package: './cmd/grype',
};

/** Whether grype is built or can be. */
export const hasGrype = (): Promise<boolean> => hasGoProgram(GRYPE);

/** Where grype lies, built from its sources once: a first call takes many minutes. */
export const grypeProgram = (): Promise<string> => goProgram(GRYPE);

if (import.meta.main) console.log(await grypeProgram());
