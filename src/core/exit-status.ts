/** Exit statuses of the program: 0 done, and these. */
export const exitStatus = {
  failed: 1,
  usage: 2,
  rolledBack: 3,
  blocked: 4,
  attention: 5,
  failing: 6,
  untrusted: 10,
  locked: 11,
  unfit: 12,
  interrupted: 130,
} as const;

export type StatusName = keyof typeof exitStatus;
export type ExitStatus = (typeof exitStatus)[StatusName];

/** What each exit status means. */
export const statusMeanings: Readonly<Record<StatusName, string>> = {
  failed: 'the command failed',
  usage: 'an unknown command or option, or an invalid value',
  rolledBack: 'the new generation failed; the previous one was restored',
  blocked: 'a check failed: a plan cannot be applied, or a release not promoted',
  attention: 'stowage status --check: the site, or a site of the fleet, needs attention',
  failing: 'stowage status --check: a failing or recalled service, or damaged ledger',
  untrusted: 'the bundle is not trusted: its signatures, content, version or age',
  locked: 'another command is running',
  unfit: 'the host does not meet a requirement',
  interrupted: 'interrupted',
};
