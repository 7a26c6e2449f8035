import type { FileContent } from './package-file.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MAX_FILES = 500_000;

/**
 * The files of an image that list packages, after all layers are applied (image-spec v1.1 layer.md). A layer overwrites,
 * deletes or hides files of lower layers; its whiteouts do not affect its own files.
 */
export class ImageFiles {
  readonly #files = new Map<string, FileContent>();
  /** The number of these files below each folder. */
  readonly #folders = new Map<string, number>();
  #layer = new Map<string, FileContent>();
  #removed: string[] = [];
  #opened: string[] = [];

  /** Adds an entry of the current layer. A folder does not hide the files below it. */
  add(path: string, isFolder: boolean, content: FileContent | undefined): void {
    const cut = path.lastIndexOf('/') + 1;
    const name = path.slice(cut);
    if (name === OPAQUE) this.#opened.push(path.slice(0, Math.max(0, cut - 1)));
    else if (name.startsWith(WHITEOUT))
      this.#removed.push(path.slice(0, cut) + name.slice(WHITEOUT.length));
    else if (!isFolder) {
      // If a layer has two entries with the same name, the later one applies.
      this.#layer.delete(path);
      if (this.#files.has(path) || this.#folders.has(path)) this.#removed.push(path);
      if (content !== undefined) this.#layer.set(path, content);
      if (this.#files.size + this.#layer.size > MAX_FILES) throw new Error('too many files');
    }
  }

  /** Applies the current layer and starts the next one above it. */
  endLayer(): void {
    for (const folder of this.#opened) this.#removeBelow(folder);
    for (const path of this.#removed) {
      this.#remove(path);
      this.#removeBelow(path);
    }
    for (const [path, content] of this.#layer) {
      if (!this.#files.has(path)) this.#count(path, 1);
      this.#files.set(path, content);
    }
    this.#layer = new Map();
    this.#removed = [];
    this.#opened = [];
  }

  /** The remaining files, sorted by path. */
  files(): (readonly [path: string, content: FileContent])[] {
    return [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #remove(path: string): void {
    if (this.#files.delete(path)) this.#count(path, -1);
  }

  #removeBelow(folder: string): void {
    if (folder !== '' && !this.#folders.has(folder)) return;
    for (const path of [...this.#files.keys()])
      if (folder === '' || path.startsWith(`${folder}/`)) this.#remove(path);
  }

  #count(path: string, by: number): void {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const folder = path.slice(0, cut);
      const count = (this.#folders.get(folder) ?? 0) + by;
      if (count === 0) this.#folders.delete(folder);
      else this.#folders.set(folder, count);
    }
  }
}
