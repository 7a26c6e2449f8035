import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from '../installer/run.ts';

// zod is inside the code; of its types the library shows these alone.
const SCHEMA = `/** A schema, as zod has it. */
export interface ZodType<T = unknown> {
  parse(value: unknown): T;
}
export declare namespace core {
  interface $RefinementCtx {
    addIssue(issue: object): void;
  }
  type $ZodIssue = object;
  type $ZodRawIssue = object;
}
export * as z from './schema.ts';
`;

/** Writes the types of the library to `dist/types/`; they need no package but those of Node. */
export function buildTypes(root: string): void {
  run(join(root, 'node_modules/.bin/tsc'), ['--project', 'tsconfig.build.json'], root);
  const folder = join(root, 'dist/types');
  for (const path of globSync('**/*.d.ts', { cwd: folder })) {
    const file = join(folder, path);
    const schema = `./${relative(dirname(path), 'schema.ts')}`.replace('./../', '../');
    const text = readFileSync(file, 'utf8').replace(/ from 'zod';/g, ` from '${schema}';`);
    const [foreign] = /(?<= from ')(?!\.|node:)[^']+/.exec(text) ?? [];
    if (foreign !== undefined)
      throw new Error(`the types of ${path} need ${foreign}, which no user of the package has`);
    writeFileSync(file, text);
  }
  writeFileSync(join(folder, 'schema.d.ts'), SCHEMA);
}
