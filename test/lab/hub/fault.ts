/** A way in which an answer goes wrong. */
export type Fault =
  /** The connection breaks after this many bytes of the body. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Nothing more comes after this many bytes of the body, and the connection stays open. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** The byte at this offset of the file, if it is sent, has its lowest bit turned. */
  | { readonly kind: 'flip'; readonly offset: number }
  /** Another answer instead. */
  | {
      readonly kind?: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };
