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
  'signature-error': ['policy'],
  'trust-root': ['policy', 'trust-chain'],
  name: ['certificate-issue', 'certificate'],
  throwaway: ['certificate-issue'],
};

const aboutDeploy: Readonly<Record<string, readonly string[]>> = {
  'admission-policy': ['admit', 'trust-walk'],
  'bundle-files': ['admit'],
  approval: ['trust-walk'],
  'site-ledger': ['memory'],
  'trust-files': ['trust-walk'],
  admit: ['admit', 'discs', 'trust-walk'],
  clock: ['memory'],
  inventory: ['admit'],
  ledger: ['ledger', 'memory'],
  recall: ['recall', 'admit'],
};

/**
 * The tests that a file is held against, those that speak of it first.
 * @throws Error for a file that no tests are known for
 */
export function relatedTests(file: string, isThere: (test: string) => boolean): string[] {
  const [, folder, name = ''] = /^src\/(trust|deploy)\/([a-z0-9-]+)\.ts$/.exec(file) ?? [];
  const about = (folder === 'trust' ? aboutTrust : aboutDeploy)[name] ?? [];
  const names = [name, ...about, ...(folder === 'trust' ? trust : [])];
  const paths = names.map((each) => `test/${folder}/${each}.test.ts`).filter(isThere);
  if (paths.length > 0) return [...new Set(paths)];
  throw new Error(`no tests are known for ${file}`);
}
