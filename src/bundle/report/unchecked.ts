import { withoutInWords } from '../../content/optional.ts';
import { counted, exactBytes } from '../../core/text.ts';
import type { Report, ReportStep } from '../../format/report.ts';
import type { ReportTrust } from '../../format/report-trust.ts';
import type { BundleFacts } from './bundle-facts.ts';

type Unchecked = Report['unchecked'][number];

interface Known {
  readonly steps: readonly ReportStep[];
  readonly facts: BundleFacts;
  readonly trust: ReportTrust;
  readonly absent?: Report['absent'];
  /** Whether every part that is there was read. */
  readonly readAll: boolean;
}

/** What was not checked, so that no reader assumes it was: first what was skipped this time, then what never is checked. */
export function unchecked({ steps, facts, trust, absent, readAll }: Known): Unchecked[] {
  return [
    ...elsewhere(absent),
    ...skipped(steps, readAll),
    {
      what: 'whether the trust anchor is the right one',
      why: 'compare its SHA-256 fingerprint with the printed one, digit by digit: an attacker who supplies a bundle can supply a root certificate with it',
    },
    {
      what: 'recent revocations',
      why:
        trust.kind === 'root'
          ? 'a root certificate was given, which cannot list revoked certificates; a trust document can'
          : `the trust document is version ${trust.version}, issued ${trust.issuedAt}; it does not list certificates that were revoked later`,
    },
    {
      what: 'the history of the site',
      why: 'the bundle was verified without a site. A bundle that is older than the last one imported, from a channel that the site does not accept, or recalled later can pass here. The site checks this when it imports the bundle',
    },
    {
      what: 'the signing time',
      why: 'it is stated by the signer and not confirmed by a time-stamping authority. It was compared with the clock of this machine, which may be wrong',
    },
    {
      what: 'whether the software is safe and works',
      why: 'a signature shows who released it, not that it is safe or free of defects. No model was run and no output was tested',
    },
    ...(facts.attached?.rehearsal === undefined
      ? []
      : [
          {
            what: 'the rehearsal',
            why: 'it is of this bundle, and as recorded by whoever ran it; it was not repeated. Whether it is recent enough, the site decides when it installs the release',
          },
        ]),
    {
      what: 'malware and known vulnerabilities',
      why: 'no scanner was run. You can scan the files, and check attestations/sbom.cdx.json in the bundle with a vulnerability scanner',
    },
    {
      what: 'signatures of the publishers of models and images',
      why: 'not verified here. The attestations in the bundle record which of them were verified when it was packed',
    },
    {
      what: 'the SHA-256 digests under "contents"',
      why: 'they are listed in bundle.json, which is signed. The files were compared with the SHA-512 digests in SHA512SUMS, not with these',
    },
    {
      what: 'licenses and findings',
      why:
        facts.findings === undefined
          ? 'licenses are as recorded when the bundle was packed, and the bundle has no findings that could be read'
          : 'both are as recorded when the bundle was packed; they were not re-checked',
    },
    {
      what: 'this program and the machine it ran on',
      why: 'the program reports its own digest, so a manipulated program could lie. Verify the bundle manually as VERIFY.txt describes, without this program, or on a second machine',
    },
  ];
}

function elsewhere(absent: Report['absent']): Unchecked[] {
  if (absent === undefined) return [];
  const { optional = [] } = absent;
  const parts = counted(absent.parts, 'part');
  const without = optional.length === 0 ? '' : `; these folders are ${withoutInWords(optional)}`;
  return [
    {
      what: `${parts}, ${exactBytes(absent.bytes)}${without}`,
      why: 'these are not in the given folders. If they are on other discs, verify those discs too, separately or together with these. If the bundle is an increment, the site that it was made for stores them, and hashes them when it imports the bundle',
    },
  ];
}

function skipped(steps: readonly ReportStep[], readAll: boolean): Unchecked[] {
  const failed = steps.find((each) => each.outcome === 'failed');
  const rest = steps.filter((each) => each.outcome === 'not-run');
  return [
    ...(failed?.name === 'verify' && !readAll
      ? [
          {
            what: 'the remaining parts',
            why: `verification stopped after about ${counted(failed.bytes ?? 0, 'byte')}`,
          },
        ]
      : []),
    ...(rest.length > 0
      ? [
          {
            what: `the steps not run: ${rest.map((each) => each.name).join(', ')}`,
            why:
              failed === undefined
                ? 'this verification did not require them'
                : `verification stopped when step "${failed.name}" failed; their result is unknown`,
          },
        ]
      : []),
  ];
}
