import { type Package, packageOf } from '../../content/package.ts';
import { MIB } from '../../core/limits.ts';

const MAGIC: Buffer = Buffer.from('\xff Go buildinf:', 'latin1');
const HEADER_BYTES = 32;
/** Flag: both strings follow the header (Go 1.18 and later). */
const INLINE = 2;
const SENTINEL_BYTES = 16;
const MAX_INFO_BYTES: number = MIB;
const MAX_TRIES = 8;

/** Finds the build information of a Go program in a stream, without buffering the whole program. */
export class GoBuildInfo {
  #held: Buffer = Buffer.alloc(0);
  #tries = 0;
  #found: Package[] | undefined;

  write(chunk: Buffer): void {
    if (this.#found !== undefined || this.#tries >= MAX_TRIES) return;
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#search(false);
  }

  end(): Package[] {
    if (this.#found === undefined && this.#tries < MAX_TRIES) this.#search(true);
    return this.#found ?? [];
  }

  // Programs that read build information also contain the magic bytes: matches that do not parse are skipped.
  #search(last: boolean): void {
    while (this.#tries < MAX_TRIES) {
      const at = this.#held.indexOf(MAGIC);
      if (at < 0) {
        this.#held = Buffer.from(
          this.#held.subarray(Math.max(0, this.#held.length - MAGIC.length)),
        );
        return;
      }
      const rest = this.#held.subarray(at);
      if (rest.length < MAX_INFO_BYTES && !last) {
        this.#held = Buffer.from(rest);
        return;
      }
      this.#found = readInfo(rest.subarray(0, MAX_INFO_BYTES));
      if (this.#found !== undefined) return;
      this.#tries += 1;
      this.#held = rest.subarray(MAGIC.length);
    }
  }
}

function readInfo(bytes: Buffer): Package[] | undefined {
  if (bytes.length < HEADER_BYTES || ((bytes[15] ?? 0) & INLINE) === 0) return undefined;
  const version = textAt(bytes, HEADER_BYTES);
  const modules = version === undefined ? undefined : textAt(bytes, version.next);
  if (version === undefined || modules === undefined || !/^(go|devel)/.test(version.text))
    return undefined;
  const standard = packageOf({
    type: 'golang',
    name: 'stdlib',
    version: /^go(\S+)/.exec(version.text)?.[1],
  });
  const text = modules.text.slice(SENTINEL_BYTES, -SENTINEL_BYTES);
  return [...(standard === undefined ? [] : [standard]), ...readModules(text)];
}

/** Lines of tab-separated fields: `mod`, `dep` or `=>`, path, version, sum. `=>` replaces the line before it. */
function readModules(text: string): Package[] {
  const packages: Package[] = [];
  for (const line of text.split('\n')) {
    const [kind, path = '', version] = line.split('\t');
    if (kind !== 'mod' && kind !== 'dep' && kind !== '=>') continue;
    if (kind === '=>') packages.pop();
    const cut = path.lastIndexOf('/');
    const found = packageOf({
      type: 'golang',
      namespace: cut < 0 ? undefined : path.slice(0, cut),
      name: path.slice(cut + 1),
      version: version === '' || version === undefined ? '(devel)' : version,
    });
    if (found !== undefined) packages.push(found);
  }
  return packages;
}

function textAt(bytes: Buffer, start: number): { text: string; next: number } | undefined {
  let length = 0;
  for (let n = 0; n < 4; n += 1) {
    const byte = bytes[start + n];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** n;
    if (byte >= 0x80) continue;
    const next = start + n + 1 + length;
    if (next > bytes.length) return undefined;
    return { text: bytes.toString('latin1', start + n + 1, next), next };
  }
  return undefined;
}
