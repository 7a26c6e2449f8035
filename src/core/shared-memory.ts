const WASM_PAGE_BYTES = 65_536;

/** Declared in TypeScript's library for browsers only. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    initial: number;
    maximum: number;
    shared: true;
  }) => {
    buffer: SharedArrayBuffer;
  };
};

/**
 * Memory that other threads can be given. Page-aligned, as `O_DIRECT` requires; nothing else in JavaScript guarantees that.
 * @param bytes a multiple of 64 KiB
 */
export function sharedPages(bytes: number): SharedArrayBuffer {
  const pages = bytes / WASM_PAGE_BYTES;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}
