import { join } from 'node:path';
import { type GoProgram, goProgram, isBuilt, type LabGoProgram } from './go-program.ts';

const TRIVY: GoProgram = {
  name: 'trivy',
  module: 'github.com/aquasecurity/trivy',
  version: 'v0.74.0',
  sum: 'h1:B2/h1Aehsq/zykg0jxpWUlOX7e3UXpbxjZZs/0vNlC4=',
  package: './cmd/trivy',
  experiment: 'jsonv2',
};
const WRITER: LabGoProgram = {
  name: 'trivy-database',
  folder: join(import.meta.dirname, 'trivy-database'),
};

/** Whether trivy, and what writes its databases, are built: no test builds them, since that takes up to an hour. */
export const hasTrivy = (): boolean => isBuilt(TRIVY) && isBuilt(WRITER);

/** Where trivy lies, built from its sources once. */
export const trivyProgram = (): Promise<string> => goProgram(TRIVY);

/** Where the program lies that writes databases with the packages that trivy reads them with. */
export const trivyWriter = (): Promise<string> => goProgram(WRITER);

if (import.meta.main) console.log(await trivyProgram(), await trivyWriter());
