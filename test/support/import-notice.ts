// What `stowage import NOTICE` does, in a process that a test kills: `node import-notice.ts SITE NOTICE TRUST`.
import { readFileSync } from 'node:fs';
import { readTrustDocument } from '../../src/format/trust.ts';
import { withSite } from '../../src/site/applying/change.ts';
import { importNotice } from '../../src/site/importing/import-notice.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { fakeTarget } from './fake-engine.ts';

const [root = '', notice = '', trust = ''] = process.argv.slice(2);
const options = {
  ...{ site: new SiteFolder(root), target: fakeTarget(), env: {} },
  ...{ signal: new AbortController().signal, emit: () => {} },
  trust: readTrustDocument(readFileSync(trust)),
  now: () => new Date('2026-11-21T12:00:00Z'),
};
await withSite(options, (ledger) => importNotice(notice, ledger, options));
