import { StowageError } from '../../../core/error.ts';
import { printable, printableLines } from '../../../core/text.ts';
import { type ChangingFleet, changeFleet } from '../../../fleet/change.ts';
import { withIndex } from '../../../fleet/index/fleet-index.ts';
import { recordSite, type SiteFields } from '../../../fleet/record-fact.ts';
import { certificateIn, readSiteDocument, siteOf } from '../../../fleet/site-document.ts';
import { hasLabels, siteNamed, sitesOf } from '../../../fleet/sites.ts';
import type { FleetSite } from '../../../format/fleet.ts';
import type { TargetName } from '../../../format/target-name.ts';
import type { Certificate } from '../../../trust/certificate.ts';
import { type CommandContext, type CommandResult, usage } from '../../command.ts';
import { confirmFingerprint } from '../confirm.ts';
import type { KeyOptions } from '../signing-key.ts';
import { changeOptions, type FleetOption, factSigner, labelsOf, openFleet } from './open-fleet.ts';

export interface AddSiteOptions extends FleetOption, KeyOptions {
  readonly target?: TargetName;
  /** Each is `NAME=VALUE`. */
  readonly label: readonly string[];
  readonly channel: readonly string[];
  readonly contact?: string;
  readonly fingerprint?: string;
}

export interface ChangeSiteOptions extends AddSiteOptions {
  readonly receipt?: string;
  readonly removeLabel: readonly string[];
  readonly retire?: boolean;
}

/** Adds the site that signed a receipt. The receipt itself is not recorded. */
export async function addSite(
  file: string,
  options: AddSiteOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const { name, certificate } = await confirmedSite(file, options, context);
  const by = await factSigner(options, context);
  return changeFleet(folder, changeOptions(context), async (fleet) => {
    if (fleet.database.first('SELECT 1 FROM site_document WHERE site = ?', name) !== undefined)
      throw new StowageError('output-exists', `this fleet has a site ${name} already`, {
        expected: 'a site of another name',
        found: name,
        hint: 'use stowage fleet change-site to change it, or to replace its key; two sites need two names in site.yaml',
      });
    const site = await recordSite(
      fleet,
      {
        ...{ name, certificate: certificate.der.toString('base64') },
        labels: Object.fromEntries(labelsOf(options.label)),
        channels: options.channel.length === 0 ? ['stable'] : options.channel,
        ...targetAndContact(options),
      },
      { number: 1, by, now: context.now() },
    );
    return recordedResult('added', site, fleet);
  });
}

/** Records a site as changed. */
export async function changeSite(
  name: string,
  options: ChangeSiteOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const replaced =
    options.receipt === undefined
      ? undefined
      : await confirmedSite(options.receipt, options, context);
  if (replaced !== undefined && replaced.name !== name)
    throw usage('the receipt is of another site', name, replaced.name);
  const by = await factSigner(options, context);
  return changeFleet(folder, changeOptions(context), async (fleet) => {
    const { schema: _, number, at: __, ...old } = siteNamed(fleet.database, name);
    const labels = Object.fromEntries(
      Object.entries({ ...old.labels, ...Object.fromEntries(labelsOf(options.label)) }).filter(
        ([label]) => !options.removeLabel.includes(label),
      ),
    );
    const fields: SiteFields = {
      ...old,
      labels,
      ...(replaced === undefined
        ? {}
        : { certificate: replaced.certificate.der.toString('base64') }),
      ...(options.channel.length === 0 ? {} : { channels: options.channel }),
      ...targetAndContact(options),
      ...(options.retire === true ? { retired: true } : {}),
    };
    // Also one that lacks a signature has its number.
    const last = fleet.database
      .all<{ path: string }>('SELECT path FROM file WHERE path LIKE ?', `sites/${name}/%.json`)
      .map(({ path }) => Number(/\/([0-9]+)\.json$/.exec(path)?.[1] ?? 0));
    const site = await recordSite(fleet, fields, {
      ...{ number: Math.max(number, ...last) + 1, by, now: context.now() },
    });
    return recordedResult('changed', site, fleet);
  });
}

/** The site that signed a receipt, once a person confirmed the fingerprint of its certificate. */
async function confirmedSite(
  file: string,
  { fingerprint }: AddSiteOptions,
  context: CommandContext,
): Promise<{ name: string; certificate: Certificate }> {
  const document = await readSiteDocument(context.path(file));
  const { certificate } = document;
  const name = siteOf(document);
  const given = { fingerprint: certificate.fingerprint, subject: certificate.subject };
  const confirmed = await confirmFingerprint(
    given,
    fingerprint,
    context,
    `Site ${name} signs with a key that this fleet does not know. To be trusted`,
  );
  if (confirmed) return { name, certificate };
  throw new StowageError(
    'trust-unconfirmed',
    `the fingerprint of the certificate of site ${name} was not confirmed`,
    {
      expected: 'the fingerprint that the site has on paper',
      found: 'no fingerprint',
      hint: 'compare with what "stowage receipt show" prints at the site, and pass it with --fingerprint',
    },
  );
}

function targetAndContact({
  target,
  contact,
}: AddSiteOptions): Pick<SiteFields, 'target' | 'contact'> {
  return {
    ...(target === undefined ? {} : { target }),
    ...(contact === undefined ? {} : { contact }),
  };
}

function recordedResult(what: string, site: FleetSite, { database }: ChangingFleet): CommandResult {
  const path = `sites/${site.name}/${site.number}.json`;
  const defect = database.first<{ text: string }>('SELECT text FROM defect WHERE path = ?', path);
  const pending =
    defect === undefined
      ? ''
      : `  not in force yet: ${defect.text}; next: stowage fleet sign ${path}\n`;
  return {
    json: { document: path, inForce: defect === undefined, site: siteJson(site) },
    text: printableLines(`${what} site ${site.name}\n${siteLines(site).join('\n')}\n${pending}`),
  };
}

/** Lists the sites. */
export async function listSites(
  options: FleetOption & { readonly label: readonly string[] },
  context: CommandContext,
): Promise<CommandResult> {
  const folder = await openFleet(options, context);
  const wanted = labelsOf(options.label);
  return withIndex(folder, context, async ({ database }) => {
    const sites = sitesOf(database).filter((each) => hasLabels(each, wanted));
    const text = sites.flatMap((each) => [each.name, ...siteLines(each)]).join('\n');
    return {
      json: { sites: sites.map(siteJson) },
      text: printableLines(sites.length === 0 ? 'no sites\n' : `${text}\n`),
    };
  });
}

function siteJson({ certificate, schema: _, ...rest }: FleetSite): object {
  return { ...rest, fingerprint: certificateIn(certificate).fingerprint };
}

/** What the fleet records of a site, indented. */
export function siteLines(site: FleetSite): string[] {
  const { target, labels, channels, contact, retired, certificate } = site;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  const facts = [
    ...(retired === true ? ['retired'] : []),
    ...(target === undefined ? [] : [target]),
    `channels: ${channels.join(', ') || 'none'}`,
    ...(pairs.length === 0 ? [] : [`labels: ${pairs.join(', ')}`]),
  ];
  return [
    `  ${printable(facts.join('; '))}`,
    ...(contact === undefined ? [] : [`  contact: ${printable(contact)}`]),
    `  certificate SHA-256 ${certificateIn(certificate).fingerprint}`,
  ];
}
