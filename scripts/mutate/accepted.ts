/** A mutant that may survive, and why. */
export interface Accepted {
  /** `file#function: kind: the changed lines`, as the report says it. */
  readonly mutant: string;
  readonly reason: string;
}

const forTheType = (what: string): string => `asked for the type alone: ${what}`;
const anyError = forTheType('nothing else that is thrown there has that code');

/** Looked at one by one. An entry that no mutant of a whole run survives under is reported, and has to go. */
export const accepted: readonly Accepted[] = [
  {
    mutant: 'src/bundle/admission/approval.ts#approversOf: always: if (true) return [];',
    reason:
      'nothing else is thrown there; a fault of our own would be seen in the release before it',
  },
  {
    mutant: 'src/trust/cms-sign.ts#encodings: never: if (false) return [given];',
    reason: 'spares a calculation: bytes of another length do not hold as r and s either',
  },
  {
    mutant: 'src/trust/key.ts#encodePrivateKey: call left out: ;',
    reason: 'wipes a key from memory that no test can look at any more',
  },
  {
    mutant:
      "src/trust/key.ts#decodePrivateKey: never: const text = Buffer.from(pem).toString('latin1');",
    reason: 'the same: what a PEM block is made of is ASCII, and lines around it are passed over',
  },
  {
    mutant: 'src/trust/known-answers.ts#answer: always: if (true) {',
    reason: 'the same answers, with a new key for each',
  },
  {
    mutant: 'src/trust/known-answers.ts#judge: always: const found = error.message;',
    reason: 'words what was found',
  },
  {
    mutant: 'src/trust/known-answers.ts#judge: never: const found = String(error);',
    reason: 'words what was found',
  },
  {
    mutant:
      'src/trust/cms-verify.ts#: no start: const PEM_OR_MIME = /(?:-----BEGIN|[A-Za-z][A-Za-z-]*:|MI[A-Za-z0-9+/]{20})/;',
    reason:
      'words the refusal: the first 64 bytes of what is accepted are tags, lengths and fixed names, and what is not DER is refused either way',
  },
  {
    mutant: 'src/trust/cms-verify.ts#readSigner: unchecked: algorithm: (algorithm),',
    reason: 'a second line: algorithmOf compares all of its bytes, the tag among them',
  },
  {
    mutant:
      'src/trust/cms-verify.ts#allowedAlgorithm: second part alone: if (!allowed.has(algorithm)) {',
    reason: forTheType('no set of algorithms has undefined'),
  },
  {
    mutant:
      'src/trust/policy.ts#findRoot: second part alone: if (isAboutSigner(error)) return { cause: error };',
    reason: anyError,
  },
  {
    mutant:
      'src/trust/certificate.ts#parseCertificate: true: issuerAndSerial: sequence(...[issuer, serial].filter((each) => true)),',
    reason: forTheType('of eight fields none is undefined'),
  },
  {
    mutant:
      'src/trust/certificate.ts#readAlgorithm: first part alone: if (inner === undefined || !inner.bytes.equals(outer.bytes))',
    reason: forTheType('a certificate of three members has the outer one'),
  },
  {
    mutant:
      'src/trust/certificate.ts#readAlgorithm: second part alone: if (outer === undefined || !inner.bytes.equals(outer.bytes))',
    reason: forTheType('a body of eight fields has the inner one'),
  },
  {
    mutant:
      'src/trust/certificate.ts#readAlgorithm: second part alone: if (!inner.bytes.equals(outer.bytes))',
    reason: forTheType('eight fields and three members have both'),
  },
  {
    mutant:
      "src/trust/der.ts#parseDer: never: if (false) throw refuse('an encoding that is not DER');",
    reason:
      'a second line, against node-forge reading other than it writes: the first is layoutDefect',
  },
  {
    mutant: 'src/trust/der.ts#encode: second part alone: if (sized(bytes, content))',
    reason:
      'a second line, against node-forge changing octets: what it is known to change, it shortens or lengthens too, and sized sees that',
  },
  {
    mutant:
      "src/site/ledger/ledger.ts#readIfThere: second part alone: if (error.code === 'file-missing') return undefined;",
    reason: anyError,
  },
  {
    mutant:
      "src/bundle/bundle-files.ts#readListed: second part alone: if (error.code !== 'file-missing') throw error;",
    reason: anyError,
  },
  {
    mutant: "src/trust/name.ts#describeValue: never: if (false) return '';",
    reason: forTheType('an attribute of two members has a value'),
  },
  {
    mutant:
      'src/trust/pem.ts#decodePem: one further: for (let at = 0; at <= lines.length; at += 1) {',
    reason: 'the same: behind the last line there is none that could begin a block',
  },
  {
    mutant: 'src/trust/key.ts#encryptPrivateKeyInfo: call left out: ;',
    reason: 'wipes a key from memory that no test can look at any more',
  },
  {
    mutant:
      'src/site/ledger/site-state.ts#stateOf: one further: if (signedAt >= floor) floor = signedAt;',
    reason: 'the same: of two equal moments either is the later',
  },
];
