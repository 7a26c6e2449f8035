import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
let small: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
});

describe('when a release was imported and not installed', () => {
  it('is listed by status', async () => {
    const root = join(scratch.root, 'root.pem');
    writeFileSync(root, encodeCertificate(small.root));
    const at = ['--root', 'site'];
    const imported = await runProgram(
      ['import', small.folder, '--trust', root, '--fingerprint', small.root.fingerprint, ...at],
      scratch.root,
    );
    expect(imported.error).toBeUndefined();
    const { stdout } = await runProgram(['status', ...at], scratch.root);
    expect(stdout).toMatch(
      /^site .*: nothing is installed\n {2}imported, not installed: chat 1\.0\.0, sequence 1, bundle [0-9a-f]{16}\n$/,
    );
    const data = await runProgram(['status', '--json', ...at], scratch.root);
    expect(JSON.parse(data.stdout)).toMatchObject({
      imported: [{ name: 'chat', version: '1.0.0', seq: 1, bundle: small.id }],
    });
  });
});
