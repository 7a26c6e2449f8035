import { StowageError } from '../core/error.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import type { Finding } from '../format/finding.ts';
import { type Lock, sealLock } from '../format/lock.ts';

const RULE = 'version-unchanged';

/**
 * The lock to keep after resolving a manifest: the previous one if nothing has changed, otherwise the new one, with a
 * finding if the content has changed and the version has not.
 */
export function lockAfter(previous: Lock | undefined, lock: Lock): Lock {
  if (previous?.manifest.version !== lock.manifest.version) return lock;
  const before = previous.findings.find(({ rule }) => rule === RULE);
  const same = textOf({ ...lock, findings: [] }) === textOf({ ...previous, findings: [] });
  const finding = same ? before : (before ?? unchangedVersion(previous));
  // The reason applies only to the content of that lock, not to later changes.
  const { allowed: _, ...open } = finding ?? unchangedVersion(previous);
  const next = finding === undefined ? lock : withFinding(lock, same ? finding : open);
  return textOf(next) === textOf(previous) ? previous : next;
}

function unchangedVersion({ seq, manifest }: Lock): Finding {
  return {
    source: manifest.name,
    file: '*',
    rule: RULE,
    severity: 'warning',
    message: `the content differs from that of sequence ${seq}, but the version is still ${manifest.version}: raise version`,
  };
}

function withFinding(lock: Lock, finding: Finding): Lock {
  const others = lock.findings.filter(({ rule }) => rule !== RULE);
  return sealLock({ ...lock, findings: [finding, ...others] });
}

/** The fields by which two locks are compared. */
function textOf(lock: Lock): string {
  return canonicalJson({ ...lock, seq: 1, resolvedAt: '', digest: '' } as unknown as Json);
}

/**
 * The lock to pack: with the reason why its version stays, if it needs one.
 * @throws StowageError `version-reused` if it needs a reason and has none
 */
export function requireNewVersion(lock: Lock, reason: string | undefined): Lock {
  const finding = lock.findings.find(({ rule }) => rule === RULE);
  if (finding === undefined) return lock;
  if (reason !== undefined) return withFinding(lock, { ...finding, allowed: reason });
  if (finding.allowed !== undefined) return lock;
  const { name, version } = lock.manifest;
  throw new StowageError(
    'version-reused',
    `${name} ${version} has new content under an old version`,
    {
      expected: 'a version that no earlier lock has, or a reason with --same-version',
      found: finding.message,
      hint: 'raise version in the manifest, and run stowage lock again; if no site has the earlier content, pack with --same-version and this reason',
    },
  );
}
