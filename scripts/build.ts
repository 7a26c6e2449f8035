// Builds dist/, which the npm package consists of.
import { fileURLToPath } from 'node:url';
import { buildDist } from './build/dist.ts';

await buildDist(fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''));
