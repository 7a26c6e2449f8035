import { type CheckedReceipt, readReceipt } from '../../bundle/receipt.ts';
import { signatureOf } from '../../bundle/signed-document.ts';
import { StowageError } from '../../core/error.ts';
import { counted, formatBytes, formatDuration, printableLines } from '../../core/text.ts';
import type { ClusterRecord } from '../../format/cluster-record.ts';
import type { EvaluationRecord, GateResult, Holdings } from '../../format/receipt.ts';
import { replaceSiteKey, writeStatement } from '../../site/applying/statement.ts';
import { newestReceipt } from '../../site/receipts/receipt.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { clusterText } from './history-lines.ts';
import { gateInWords, openFolder, openSite } from './site.ts';

export interface ReceiptShowOptions {
  readonly fingerprint?: string;
  readonly root?: string;
}

/** Verifies and shows a receipt: the site's newest, or one in a file. */
export async function receiptShow(
  file: string | undefined,
  options: ReceiptShowOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const place =
    file === undefined
      ? await newestReceipt(await openFolder(options.root, context))
      : context.path(file);
  const checked = await readReceipt(place);
  const { fingerprint } = options;
  if (fingerprint !== undefined && fingerprint !== checked.fingerprint)
    throw otherSite(fingerprint, checked.fingerprint);
  return { json: checked, text: printableLines(describe(checked)) };
}

export interface ReceiptWriteOptions {
  /** Days. */
  readonly hold?: number;
  readonly root?: string;
}

/** Writes a receipt of the current state. */
export async function receiptWrite(
  options: ReceiptWriteOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openSite(options.root, context);
  await writeStatement(opened, options.hold);
  const checked = await readReceipt(await newestReceipt(opened.site));
  const signature = signatureOf(checked.file);
  const lines = `${describe(checked)}  ${signature}\n  next: take both files to the connected side\n`;
  return { json: { ...checked, signature }, text: printableLines(lines) };
}

function describe({ receipt, file, fingerprint, subject }: CheckedReceipt): string {
  const { held, host, intent, outcome } = receipt;
  const what =
    intent === 'statement'
      ? 'statement of the current state'
      : `${intent}: ${outcome === 'kept' ? 'completed' : 'rolled back'}`;
  return [
    `site ${receipt.site}, ${receipt.at}, ${receipt.tool}: ${what}`,
    `  current generation: ${receipt.generation}; available: ${receipt.generations.join(', ') || 'none'}`,
    ...receipt.releases.map((each) => `  ${each.name} ${each.version}, sequence ${each.seq}`),
    ...receipt.health.map(describeHealth),
    ...receipt.gates.flatMap(describeGate),
    ...(receipt.evaluations ?? []).map(describeEvaluation),
    `  store: ${counted(held.blobs, 'blob')}, ${formatBytes(held.bytes)}; ${host.platform}, kernel ${host.kernel}, ${host.engine}`,
    ...holdingLines(receipt.holds),
    ...(receipt.notices ?? []).map(
      ({ issuer, serial }) => `  newest notice of ${issuer}: serial ${serial}`,
    ),
    ...clusterLines(receipt.cluster),
    `  ledger: ${counted(receipt.ledger.number, 'entry', 'entries')}`,
    `  signed by ${subject}, certificate SHA-256 ${fingerprint}`,
    `  ${file}`,
    '',
  ].join('\n');
}

/** The bundles that need not travel to the site again. */
function holdingLines(holds: Holdings | undefined): string[] {
  if (holds === undefined) return [];
  const { bundles, unlisted, installers, free, heldUntil } = holds;
  const platforms = installers.map(({ platform }) => platform).join(', ');
  return [
    `  complete bundles: ${bundles.length + (unlisted ?? 0)}${unlisted === undefined ? '' : `, of which ${unlisted} are not listed`}; ${formatBytes(free)} free`,
    ...bundles.map(
      ({ name, version, seq, bundle, use, parts }) =>
        `    ${name} ${version}, sequence ${seq}, ${use}: ${bundle.slice(0, 16)}${partsInWords(parts)}`,
    ),
    ...(platforms === '' ? [] : [`  installers: ${platforms}`]),
    ...(heldUntil === undefined ? [] : [`  stowage gc keeps these bundles until ${heldUntil}`]),
  ];
}

/** Of a bundle without some of its optional parts. */
function partsInWords(parts: readonly string[] | undefined): string {
  if (parts === undefined) return '';
  return `; of its optional parts ${parts.length === 0 ? 'none' : `only ${parts.join(', ')}`}`;
}

function describeEvaluation(each: EvaluationRecord): string {
  const { release, evaluation, at, passed, questions, missed } = each;
  const verdict = missed === 0 ? 'every threshold met' : `${counted(missed, 'threshold')} missed`;
  return `  evaluation ${evaluation} of ${release}, ${at}: ${passed} of ${questions} passed, ${verdict}`;
}

/** Receipts of earlier versions repeat what was expected as what a passed check found. */
function describeGate(gate: GateResult): string[] {
  const { passed, expected, found, milliseconds } = gate;
  return [
    `  ${passed ? 'passed' : 'FAILED'}: ${gateInWords(gate)}, ${formatDuration(milliseconds)}`,
    ...(found === expected ? [] : [`    expected: ${expected}`]),
    `    found: ${found}`,
  ];
}

function describeHealth({
  service,
  state,
  since,
  ready,
  drift,
  stoppedAt,
}: CheckedReceipt['receipt']['health'][number]): string {
  const words = [
    [state, since].filter((each) => each !== undefined).join(' '),
    ...(ready === false ? ['not ready'] : []),
    ...(drift === undefined ? [] : [`drift: ${drift.join(', ')}`]),
    ...(stoppedAt === undefined ? [] : [`stopped on purpose at ${stoppedAt}`]),
  ];
  return `    ${service}: ${words.join('; ')}`;
}

function clusterLines(cluster: ClusterRecord | undefined): string[] {
  if (cluster === undefined) return [];
  const { nodes, objects } = cluster;
  return [
    `  cluster: ${clusterText(cluster)}`,
    ...nodes.map(({ name, kubelet = 'unknown', runtime = 'unknown', devices = {} }) => {
      const found = Object.entries(devices).map(([resource, count]) => `, ${count} ${resource}`);
      return `    node ${name}: kubelet ${kubelet}, ${runtime}${found.join('')}`;
    }),
    ...objects.map(({ kind, namespace, name, resourceVersion, digest }) => {
      const place = namespace === undefined ? name : `${namespace}/${name}`;
      return `    ${kind} ${place}: resourceVersion ${resourceVersion}, ${digest}`;
    }),
  ];
}

function otherSite(expected: string, found: string): StowageError {
  return new StowageError('signer-untrusted', 'the receipt was signed by another site', {
    expected,
    found,
    hint: 'compare with the fingerprint recorded when the site was set up',
  });
}

/** Replaces the key of the site, and writes the handover to a folder. */
export async function receiptNewKey(
  folder: string,
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openSite(options.root, context);
  const { file, old, certificate } = await replaceSiteKey(opened, context.path(folder));
  return {
    json: { handover: file, old: old.fingerprint, fingerprint: certificate.fingerprint },
    text: printableLines(
      `${file}\n  the key ${old.fingerprint} handed over to ${certificate.fingerprint}\n  next: send the file and its .p7s to the fleet, before or with the next receipt\n`,
    ),
  };
}
