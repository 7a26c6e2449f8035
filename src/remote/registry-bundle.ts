import type { RemoteBundle, RemoteFile } from '../bundle/remote-bundle.ts';
import { digestOf, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import { malformed, parseRemote } from '../net/http-response.ts';
import { MANIFEST_TYPE, readArtifact } from './artifact.ts';
import { fileBytes, type RemoteHost } from './file-bytes.ts';

/** A bundle that `stowage push --bundle` put into a registry. @param reference a tag or a digest */
export function registryBundle(address: string, reference: string, host: RemoteHost): RemoteBundle {
  const { client, http, scope } = host;
  return {
    address,
    list: async (signal) => {
      const what = `the manifest of ${address}`;
      const url = await client.url(scope, `manifests/${reference}`, signal);
      const headers = { accept: MANIFEST_TYPE };
      const request = { what, url, headers, allow: [404] };
      const { status, bytes } = await client.send(request, scope, signal, (each) =>
        http.read(each, MAX_OCI_MANIFEST_BYTES, signal),
      );
      if (status === 404) throw absent(address);
      if (isDigest(reference) && digestOf(bytes) !== reference)
        throw malformed(request, { expected: reference, found: digestOf(bytes) });
      const listed = readArtifact(parseRemote(bytes, request));
      if (typeof listed === 'string') throw noBundle(address, listed);
      const files = new Map<string, RemoteFile>();
      for (const { path, size, digest } of listed) {
        const blob = await client.url(scope, `blobs/${digest}`, signal);
        const file = { what: `${path} of ${address}`, url: blob, size };
        const open: RemoteFile['open'] = (offset, stop) => fileBytes(host, file, offset, stop);
        files.set(path, { path, size, digest, open });
      }
      return files;
    },
  };
}

function absent(address: string): StowageError {
  return new StowageError('bundle-absent', `the registry has no ${address}`, {
    expected: 'a bundle that stowage push --bundle put there',
    found: 'nothing',
    hint: 'check the repository and the tag',
  });
}

function noBundle(address: string, found: string): StowageError {
  return new StowageError('bundle-absent', `${address} is not a bundle`, {
    expected: 'an artifact that stowage push --bundle put there',
    found,
    hint: 'check the repository and the tag; to import the images of a release, push its bundle',
  });
}
