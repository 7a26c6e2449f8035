import type { RemoteBundle, RemoteFile } from '../bundle/remote-bundle.ts';
import { StowageError } from '../core/error.ts';
import { MAX_BUNDLE_FILES, MAX_CHECKSUMS_BYTES } from '../core/limits.ts';
import { pathDefect } from '../core/safe-path.ts';
import { malformed } from '../net/http-response.ts';
import { fileBytes, type RemoteHost } from './file-bytes.ts';

/** A line of the list of a depot: the size of a file in bytes, and its path. */
const LINE = /^([0-9]{1,15}) ([!-~]+)$/;

/** A bundle that a depot serves from its store. @param release `NAME@VERSION` */
export function depotBundle(address: string, release: string, host: RemoteHost): RemoteBundle {
  const { client, http, scope } = host;
  return {
    address,
    list: async (signal) => {
      const url = new URL(`/bundles/${release}/`, await client.url(scope, '', signal));
      const request = { what: `the files of ${address}`, url, allow: [404] };
      const { status, bytes } = await client.send(request, scope, signal, (each) =>
        http.read(each, MAX_CHECKSUMS_BYTES, signal),
      );
      if (status === 404) throw absent(address);
      const lines = bytes.toString('latin1').split('\n');
      if (lines.pop() !== '' || lines.length > MAX_BUNDLE_FILES)
        throw malformed(request, { expected: 'a list of files', found: 'no such list' });
      const files = new Map<string, RemoteFile>();
      for (const line of lines) {
        const [, digits = '', path = ''] = LINE.exec(line) ?? [];
        const isListed = path !== '' && pathDefect(path) === undefined && !files.has(path);
        if (!isListed)
          throw malformed(request, {
            expected: 'lines with a size and a path',
            found: JSON.stringify(line.slice(0, 80)),
          });
        const size = Number(digits);
        const file = { what: `${path} of ${address}`, url: new URL(path, url), size };
        const open: RemoteFile['open'] = (offset, stop) => fileBytes(host, file, offset, stop);
        files.set(path, { path, size, open });
      }
      return files;
    },
  };
}

function absent(address: string): StowageError {
  return new StowageError('bundle-absent', `the depot does not serve ${address}`, {
    expected: 'a release that was imported at the site of the depot',
    found: 'nothing',
    hint: 'check the name and the version: stowage status shows them at the site of the depot',
  });
}
