import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createHostTrust } from '../../src/net/host-trust.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
const [certificate = ''] = getCACertificates('bundled');
const ca = join(root, 'ca.pem');
writeFileSync(ca, certificate);
const place = join(root, 'certs.d', 'registry.example:5000');
mkdirSync(place, { recursive: true });
for (const name of ['own.crt', 'client.cert']) writeFileSync(join(place, name), certificate);
writeFileSync(join(place, 'client.key'), 'a key');
const common = { env: {}, home: root, folders: [join(root, 'certs.d')] };
const usual = getCACertificates('default').length;

describe('when a host is trusted', () => {
  it('has its own authorities and client certificate beside the usual', async () => {
    const trust = await createHostTrust(common);
    const context = await trust('registry.example:5000');
    expect(context?.ca).toHaveLength(usual + 1);
    expect(context).toMatchObject({ cert: certificate, key: 'a key' });
    expect(await trust('registry.example')).toBeUndefined();
  });

  it('has the authorities of --ca-file, like every other', async () => {
    const trust = await createHostTrust({ ...common, caFile: ca });
    expect((await trust('registry.example:5000'))?.ca).toHaveLength(usual + 2);
    expect((await trust('other.example'))?.ca).toHaveLength(usual + 1);
  });

  it('refuses a file that is none', async () => {
    const file = join(root, 'der');
    writeFileSync(file, Buffer.of(0x30, 0x82));
    await expectCode(() => createHostTrust({ ...common, caFile: file }), 'document-invalid');
    await expectCode(
      () => createHostTrust({ ...common, caFile: join(root, 'no') }),
      'file-missing',
    );
  });
});
