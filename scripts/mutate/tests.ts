import { globSync } from 'node:fs';

const trust = [
  'der-read',
  'der',
  'pem',
  'algorithm',
  'certificate-file',
  'certificate-issue',
  'certificate',
  'cms-sign',
  'cms-verify',
  'chain',
  'policy',
];

// key, known-answers, runtime and trust-chain are slow (PBKDF2, RSA keys, further processes): asked only of what they are
// about.
const aboutTrust: Readonly<Record<string, readonly string[]>> = {
  algorithm: ['runtime'],
  'certificate-extension': ['certificate', 'chain'],
  'cms-encoding': ['cms-sign', 'cms-verify'],
  'der-build': ['der', 'der-read'],
  'der-layout': ['der'],
  'key-encryption': ['key'],
  key: ['runtime'],
  'key-kind': ['certificate', 'algorithm', 'key'],
  'known-answer-vectors': ['known-answers'],
  'public-key': ['certificate'],
  'signature-file': ['policy'],
  'trust-root': ['policy', 'trust-chain'],
  name: ['certificate-issue', 'certificate'],
  throwaway: ['certificate-issue'],
};

const aboutAdmission: Readonly<Record<string, readonly string[]>> = {
  'admission-policy': ['admit', 'keep-trust'],
  'bundle-files': ['admit'],
  approval: ['keep-trust'],
  'site-ledger': ['memory'],
  'trust-files': ['keep-trust'],
  admit: ['admit', 'discs', 'keep-trust'],
  clock: ['memory'],
  inventory: ['admit'],
  ledger: ['ledger', 'memory'],
  recall: ['recall', 'admit'],
};

/**
 * The tests that a file is checked against, its own first, as paths below `root`.
 * @throws Error for a file that no tests are known for
 */
export function relatedTests(file: string, root: string): string[] {
  const [, folder, name = ''] =
    /^src\/(trust|bundle|site)\/(?:.*\/)?([a-z0-9-]+)\.ts$/.exec(file) ?? [];
  const about = (folder === 'trust' ? aboutTrust : aboutAdmission)[name] ?? [];
  const names = [name, ...about, ...(folder === 'trust' ? trust : [])];
  const places = folder === 'trust' ? 'test/trust' : 'test/{bundle,site}/**';
  const paths = names.flatMap((each) => globSync(`${places}/${each}.test.ts`, { cwd: root }));
  if (folder !== undefined && paths.length > 0) return [...new Set(paths)];
  throw new Error(`no tests are known for ${file}`);
}
