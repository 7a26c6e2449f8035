/**
 * How an opcode's argument is encoded: a number of that many bytes, text to the end of the line (two lines for `lines`),
 * or data after a length of that many bytes.
 */
export type Argument =
  | 'none'
  | 'u1'
  | 'u2'
  | 'u4'
  | 'i4'
  | 'u8'
  | 'f8'
  | 'line'
  | 'lines'
  | 'text1'
  | 'text4'
  | 'text8'
  | 'bytes1'
  | 'bytes4'
  | 'bytes8'
  | 'long1'
  | 'long4';

export interface Opcode {
  readonly name: string;
  readonly argument: Argument;
}

/** All opcodes of pickle protocols 0 to 5, as listed in Python's pickletools. */
const TABLE = `
( MARK none|. STOP none|0 POP none|1 POP_MARK none|2 DUP none
F FLOAT line|I INT line|L LONG line|S STRING line|V UNICODE line|P PERSID line
J BININT i4|K BININT1 u1|M BININT2 u2|N NONE none|G BINFLOAT f8
T BINSTRING text4|U SHORT_BINSTRING text1|X BINUNICODE text4|B BINBYTES bytes4|C SHORT_BINBYTES bytes1
Q BINPERSID none|R REDUCE none|a APPEND none|b BUILD none|c GLOBAL lines|d DICT none|} EMPTY_DICT none
e APPENDS none|g GET line|h BINGET u1|i INST lines|j LONG_BINGET u4|l LIST none|] EMPTY_LIST none|o OBJ none
p PUT line|q BINPUT u1|r LONG_BINPUT u4|s SETITEM none|t TUPLE none|) EMPTY_TUPLE none|u SETITEMS none
80 PROTO u1|81 NEWOBJ none|82 EXT1 u1|83 EXT2 u2|84 EXT4 i4|85 TUPLE1 none|86 TUPLE2 none|87 TUPLE3 none
88 NEWTRUE none|89 NEWFALSE none|8a LONG1 long1|8b LONG4 long4|8c SHORT_BINUNICODE text1|8d BINUNICODE8 text8
8e BINBYTES8 bytes8|8f EMPTY_SET none|90 ADDITEMS none|91 FROZENSET none|92 NEWOBJ_EX none|93 STACK_GLOBAL none
94 MEMOIZE none|95 FRAME u8|96 BYTEARRAY8 bytes8|97 NEXT_BUFFER none|98 READONLY_BUFFER none`;

export const opcodes: ReadonlyMap<number, Opcode> = new Map(
  TABLE.trim()
    .split(/[|\n]/)
    .map((entry) => {
      const [code = '', name = '', argument = ''] = entry.split(' ');
      const byte = code.length === 2 ? Number.parseInt(code, 16) : code.charCodeAt(0);
      return [byte, { name, argument: argument as Argument }];
    }),
);
