// Writes manifests/OPERATOR.txt: the operator's guide as the bundle of a worked manifest carries it. A test holds it fresh.
import { readFileSync, writeFileSync } from 'node:fs';
import { operatorText } from '../src/build/operator-text.ts';

import { manifestKind } from '../src/format/manifest.ts';
import { readYaml } from '../src/format/yaml-document.ts';

const folder = new URL('../manifests/', import.meta.url);
const manifest = readYaml(manifestKind, readFileSync(new URL('nemotron-vllm.yaml', folder)));
const installers = ['linux/amd64'].map((platform) => ({ platform, path: 'stowage-linux-x64' }));
writeFileSync(new URL('OPERATOR.txt', folder), operatorText(manifest, installers));
