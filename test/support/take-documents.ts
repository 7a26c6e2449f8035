// What `stowage fleet take` does, in a process that a test kills: `node take-documents.ts FLEET FOLDER`.
import { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { takeDocuments } from '../../src/fleet/take.ts';

const [root = '', home = ''] = process.argv.slice(2);
await takeDocuments(new FleetFolder(root), [home], {
  ...{ signal: new AbortController().signal, emit: () => {}, by: { uid: 1000 } },
  now: () => new Date('2026-11-21T10:00:00Z'),
});
