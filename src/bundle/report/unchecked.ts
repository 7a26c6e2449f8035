import { counted, exactBytes } from '../../core/amount.ts';
import type { Report, ReportStep, ReportTrust } from '../../format/report.ts';
import type { Facts } from './facts.ts';

type Unchecked = Report['unchecked'][number];

interface Known {
  readonly steps: readonly ReportStep[];
  readonly facts: Facts;
  readonly trust: ReportTrust;
  readonly absent?: Report['absent'];
}

/** What a reader could take for checked and that was not: what ended early first, then what never is. */
export function unchecked({ steps, facts, trust, absent }: Known): Unchecked[] {
  return [
    ...elsewhere(absent),
    ...endedEarly(steps),
    {
      what: 'that this is the right trust',
      why: 'compare its SHA-256 fingerprint with the paper, digit by digit; whoever hands over a bundle can hand over a root of their own with it',
    },
    {
      what: 'signers revoked since',
      why:
        trust.kind === 'root'
          ? 'a root certificate was given, and it revokes nobody; a trust document can'
          : `the trust document is version ${trust.version} of ${trust.issuedAt}; what was revoked later is not in it`,
    },
    {
      what: 'the history of a site',
      why: 'no site was asked: a bundle that is older than one taken in, of a channel that the site does not follow, or recalled after it was made, passes here. The site itself checks when it installs',
    },
    {
      what: 'when it was signed',
      why: 'a signing time is what the signer says; no time-stamping authority confirmed it. It was compared with the clock of this machine, which nobody vouched for',
    },
    {
      what: 'that the software does what it should',
      why: 'a signature says who released it, not that it is good, safe or free of faults. No model was run and no answer judged',
    },
    {
      what: 'malware and known vulnerabilities',
      why: 'no scanner ran. sbom.cdx.json in the bundle can be given to one, and so can the files',
    },
    {
      what: 'signatures of those who made the models and images',
      why: 'none was verified here. What was verified when the bundle was packed stands in its attestations, if anything was',
    },
    {
      what: 'the SHA-256 digests under "contents"',
      why: 'they stand in bundle.json as signed. The bytes were compared with the SHA-512 of each part in SHA512SUMS, not hashed a second time',
    },
    {
      what: 'licences and findings',
      why:
        facts.findings === undefined
          ? 'licences are as noted when the bundle was packed, and the bundle has no findings that could be read'
          : 'both are as noted when the bundle was packed; nobody looked again',
    },
    {
      what: 'this program and the machine it ran on',
      why: 'its digest is its own statement, and a changed program can lie. Check by hand with VERIFY.txt, which needs none of it, or on a second machine',
    },
  ];
}

function elsewhere(absent: Report['absent']): Unchecked[] {
  if (absent === undefined) return [];
  const parts = counted(absent.parts, 'part');
  return [
    {
      what: `${parts}, ${exactBytes(absent.bytes)}`,
      why: 'they lie on discs that were not here. Verify those discs too, alone or together with these',
    },
  ];
}

function endedEarly(steps: readonly ReportStep[]): Unchecked[] {
  const failed = steps.find((each) => each.outcome === 'failed');
  const rest = steps.filter((each) => each.outcome === 'not-run');
  return [
    ...(failed?.name === 'verify'
      ? [
          {
            what: 'the remaining parts',
            why: `checking stopped at the first part that is not as signed, after about ${failed.bytes ?? 0} bytes; others may be damaged too`,
          },
        ]
      : []),
    ...(rest.length > 0
      ? [
          {
            what: `the steps not run: ${rest.map((each) => each.name).join(', ')}`,
            why:
              failed === undefined
                ? 'nothing in this verification asked for them'
                : `checking stopped when "${failed.name}" failed; nothing is known of what they would have found`,
          },
        ]
      : []),
  ];
}
