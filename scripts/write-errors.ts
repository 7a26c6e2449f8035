// Writes manifests/ERRORS.md and signing/refusals.html from the table of error codes. A test holds them fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import { errorPage, withRefusals } from './build/error-page.ts';

writeFileSync(new URL('../manifests/ERRORS.md', import.meta.url), errorPage());
const refusals = new URL('../signing/refusals.html', import.meta.url);
const card = readFileSync(new URL('../signing/card.html', import.meta.url), 'utf8');
writeFileSync(refusals, withRefusals(readFileSync(refusals, 'utf8'), card));
