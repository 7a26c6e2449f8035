// Writes the JSON Schema of every document to manifests/schema/. A test holds them fresh.
import { mkdirSync, writeFileSync } from 'node:fs';
import { jsonSchemas } from '../src/format/schemas.ts';

const folder = new URL('../manifests/schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of jsonSchemas()) writeFileSync(new URL(name, folder), text);
