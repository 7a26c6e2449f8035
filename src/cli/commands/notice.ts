import { admitNotice } from '../../bundle/notice/admit-notice.ts';
import { type MadeNotice, makeNotice, writeNoticeFolder } from '../../bundle/notice/make-notice.ts';
import { noticeContentsOf } from '../../bundle/notice/notice-contents.ts';
import { readNoticeInputs } from '../../bundle/notice/notice-inputs.ts';
import { type ReadNotice, readNotice, readNoticeFiles } from '../../bundle/notice/read-notice.ts';
import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { momentOf, name as nameField } from '../../format/field.ts';
import { noticeName } from '../../format/notice.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import { requireUsable } from '../../trust/policy.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { contentLines, noticeHead } from './notice-lines.ts';
import { signerLines } from './signers.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from './signing-key.ts';
import { readTrustFile } from './trust-option.ts';

export interface NoticeOptions extends Partial<KeyOptions> {
  readonly issuer: string;
  readonly serial: number;
  /** Names of sites; none for every site. */
  readonly to: readonly string[];
  readonly output?: string;
}

/** Makes a notice of documents, and signs it if a key was given. */
export async function notice(
  files: readonly string[],
  options: NoticeOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { issuer, serial, to } = options;
  for (const [option, values] of [
    ['--issuer', [issuer]],
    ['--to', to],
  ] as const) {
    const wrong = values.find((each) => !nameField.safeParse(each).success);
    if (wrong !== undefined)
      throw usage(`invalid ${option}`, 'lower-case letters, digits and hyphens', wrong);
  }
  const output = context.path(options.output ?? `notice-${issuer}-${serial}`);
  const now = context.now();
  const inputs = await readNoticeInputs(
    files.map((each) => context.path(each)),
    now,
  );
  const made = makeNotice({
    ...{ issuer, serial, createdAt: momentOf(now) },
    ...(to.length === 0 ? {} : { sites: to }),
    ...inputs,
  });
  const signature = await signatureOf(made, options, context);
  await writeNoticeFolder(output, new Map([...made.files, ...signature]));
  const bytes = [...made.files.values()].reduce((sum, each) => sum + each.length, 0);
  const next =
    signature.size === 0
      ? [`  next: stowage sign ${output} --key FILE --certificate FILE`]
      : [`  signed: ${[...signature.keys()].join(', ')}`];
  return {
    json: {
      ...{ output, id: made.id, issuer, serial, sites: made.notice.sites ?? null, bytes },
      documents: made.notice.documents.map(({ content, path }) => ({ content, path })),
      signed: signature.size > 0,
    },
    text: printableLines(
      `${[
        output,
        `  ${noticeName(made.notice)}, ${noticeHead(made.notice)}`,
        `  ${counted(made.notice.documents.length, 'document')}, ${formatBytes(bytes)}`,
        ...contentLines(noticeContentsOf(made.notice, made.files), made.notice),
        ...next,
        `  SHA-512 of SHA512SUMS: ${made.id}`,
      ].join('\n')}\n`,
    ),
  };
}

/** The signature of a new notice, by the path of its file; none without a key. @throws StowageError `usage-invalid`, those of keys */
export async function signatureOf(
  { files }: Pick<MadeNotice, 'files'>,
  options: Partial<KeyOptions>,
  context: CommandContext,
): Promise<ReadonlyMap<string, Buffer>> {
  const { key, certificate } = options;
  if (key === undefined && certificate === undefined) return new Map();
  if (key === undefined || certificate === undefined)
    throw usage('give --key and --certificate together', 'both, or neither', 'one of them');
  const identity = await readIdentity({ ...options, certificate }, context);
  const name = `${nameOf(identity, options.name)}.p7s`;
  const now = context.now();
  const list = files.get('SHA512SUMS') ?? Buffer.alloc(0);
  const signer = { ...identity, key: await readKey(key, options, context) };
  const bytes = signDetached(list, signer, now);
  requireUsable({ name, bytes }, list, now);
  return new Map([[`signatures/${name}`, bytes]]);
}

/** `inspect` and `verify` of a notice: what it says, and who signed it. */
export async function showNotice(
  folder: string,
  options: { readonly trust?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const given =
    options.trust === undefined ? undefined : await readTrustFile(options.trust, context);
  const admitted = given && (await admitNotice(folder, { ...context, trust: given.trust }));
  const read: Pick<ReadNotice, 'id' | 'notice'> = admitted ?? (await readNotice(folder));
  const { id, notice } = read;
  const contents = admitted?.contents ?? (await unverifiedContents(folder));
  const verdict =
    given === undefined || admitted === undefined
      ? ['  NOT VERIFIED: signatures were not checked; use --trust']
      : [
          ...signerLines(admitted.signers),
          `  trust: ${given.subject}, SHA-256 ${given.fingerprint}`,
        ];
  return {
    json: {
      ...{ kind: 'notice', verified: admitted !== undefined, id, notice },
      ...(admitted === undefined ? {} : { signers: admitted.signers }),
      advisories: contents.advisories,
    },
    text: printableLines(
      `${[
        `${admitted === undefined ? '' : 'verified: '}${noticeName(notice)}, ${noticeHead(notice)}`,
        ...contentLines(contents, notice),
        ...verdict,
        `  SHA-512 of SHA512SUMS: ${id}`,
      ].join('\n')}\n`,
    ),
  };
}

async function unverifiedContents(folder: string): Promise<ReturnType<typeof noticeContentsOf>> {
  const read = await readNotice(folder);
  return noticeContentsOf(read.notice, await readNoticeFiles(folder, read));
}
