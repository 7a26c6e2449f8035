// Writes manifests/ERRORS.md and the table of refusals in signing/card.html from the table of error codes. A test holds them fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import { cardWithRefusals, errorPage } from './build/error-page.ts';

writeFileSync(new URL('../manifests/ERRORS.md', import.meta.url), errorPage());
const card = new URL('../signing/card.html', import.meta.url);
writeFileSync(card, cardWithRefusals(readFileSync(card, 'utf8')));
