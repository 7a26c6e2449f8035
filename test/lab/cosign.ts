import { type GoProgram, goProgram, hasGoProgram } from './go-program.ts';

const COSIGN: GoProgram = {
  name: 'cosign',
  module: 'github.com/sigstore/cosign/v3',
  version: 'v3.1.3',
  sum: 'h1:001JQRI/PJ/5T+g/kJ1KTvKFbb322+fomc+pHDZ/6sg=',
  package: './cmd/cosign',
};

/** Whether cosign is built or can be. */
export const hasCosign = (): Promise<boolean> => hasGoProgram(COSIGN);

/** Where cosign lies, built from its sources once: a first call takes minutes. */
export const cosignProgram = (): Promise<string> => goProgram(COSIGN);

if (import.meta.main) console.log(await cosignProgram());
