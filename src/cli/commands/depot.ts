import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { isRegistryHost } from '../../core/repository-name.ts';
import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { exportHubCache } from '../../depot/hub-cache.ts';
import { requireUsable } from '../../depot/listener.ts';
import { type Engine, mirrorConfig } from '../../depot/mirror-config.ts';
import type { MirrorOptions } from '../../depot/mirror-options.ts';
import { type Depot, startDepot } from '../../depot/server.ts';
import { MAX_TOKEN_FILE_BYTES, parseTokens, plainToken, type Tokens } from '../../depot/tokens.ts';
import { exists, outputError, readNamed } from '../../io/file.ts';
import { catalogOf, catalogOfAll } from '../../site/catalog/catalog.ts';
import { SiteCatalog } from '../../site/catalog/site-catalog.ts';
import { secretExposure } from '../../site/protection.ts';
import { findRelease, refusedWarning } from '../../site/release/release.ts';
import type { SiteFolder } from '../../site/site-folder.ts';
import { decodePem, encodePem } from '../../trust/pem.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import type { DepotServiceOptions } from './depot-service.ts';
import { openFolder, openStoredSite } from './site.ts';

export interface DepotCommandOptions extends DepotServiceOptions {
  readonly printConfig?: Engine;
  readonly as?: string;
  readonly caFile?: string;
  readonly install?: boolean;
  readonly uninstall?: boolean;
  readonly root?: string;
}

/** How long open responses may continue after the depot was told to stop. */
const GRACE_MS = 30_000;
/** Log bytes buffered for a slow disk; further lines are dropped. */
const MAX_LOG_BACKLOG_BYTES = 1024 * 1024;
const CERTIFICATE = 'CERTIFICATE';

/** Serves the site's releases until it is stopped, or prints the mirror configuration of an engine. */
export async function depot(
  options: DepotCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { site, target } = await openStoredSite(options.root, context);
  const { address, port } = parseListen(options.listen);
  if (options.uninstall === true) return (await service()).uninstallDepot(site, options, context);
  const catalog = await SiteCatalog.open({
    site,
    wanted: options.release,
    services: (release) =>
      target.services(release).map(({ name, addresses }) => ({
        name,
        addresses: addresses.map(({ url }) => url),
      })),
    onError: (error) => context.emit({ type: 'warning', ...troubleOf(error) }),
    onRefused: (refused) => context.emit(refusedWarning(refused)),
  });
  if (options.printConfig !== undefined)
    return printConfig(options.printConfig, await mirrorOptions(options, catalog, context));
  const tls = await readTls(options, context);
  const tokens = await readTokens(options, context);
  const hubPrefix = parseHubPath(options.hubPath);
  if (options.install === true) {
    if (tls !== undefined) requireUsable(tls);
    return (await service()).installDepot(site, options, { address, port }, context);
  }
  const log = await openLog(options, context);
  if (options.modelcars === true) {
    context.emit({ type: 'step', step: 'calculate modelcars' });
    for (const each of catalog.repositories()) await each.make?.();
  }
  const server = await startDepot(catalog, {
    ...{ address, port, tls, tokens, graceMs: GRACE_MS, now: context.now },
    hubPrefix,
    onAnswer: (line) => void (log.writableLength < MAX_LOG_BACKLOG_BYTES && log.write(`${line}\n`)),
  });
  const scheme = tls === undefined ? 'http' : 'https';
  context.emit({ type: 'step', step: 'serve', subject: `${scheme}://${server.host}` });
  await untilStopped(server, context.signal);
  if (log !== context.terminal.stderr) log.end();
  return {
    json: { host: server.host, stopped: true },
    text: `depot at ${server.host} stopped\n`,
  };
}

const service = () => import('./depot-service.ts');

async function untilStopped(server: Depot, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
}

async function mirrorOptions(
  options: DepotCommandOptions,
  catalog: SiteCatalog,
  context: CommandContext,
): Promise<MirrorOptions> {
  const { tokenFile, caFile, tlsCertificate } = options;
  const host = options.as ?? options.listen;
  if (!isRegistryHost(host))
    throw usage('invalid --as', 'a host and a port, such as 10.0.0.5:5443', host);
  const registries = catalog.repositories().flatMap(({ upstream }) => upstream?.registry ?? []);
  const authority = caFile === undefined ? undefined : await readAuthority(context.path(caFile));
  const written = tokenFile === undefined ? undefined : await readTokenFile(tokenFile, context);
  // A depot would not start with a file that has defects.
  if (written !== undefined) parseTokens(written);
  const credentials = written === undefined ? undefined : plainToken(written);
  if (tokenFile !== undefined && credentials === undefined)
    throw usage(
      'the token file has no token to print',
      'a line of NAME:TOKEN in --token-file',
      'hashes of tokens only',
    );
  return {
    ...{ host, tls: tlsCertificate !== undefined || authority !== undefined },
    registries: [...new Set(registries)].toSorted(),
    ...(authority === undefined ? {} : { authority }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}

/** The certificates of a file, encoded anew: nothing else that is in it is printed. */
async function readAuthority(path: string): Promise<string> {
  const invalid = (found: string): StowageError =>
    new StowageError('document-invalid', `${path} is not a file of CA certificates`, {
      expected: 'one or more certificates in PEM',
      found,
      hint: 'name the certificate of the authority that issued the certificate of the depot',
    });
  const text = (await readNamed(path, 8 * MAX_CERTIFICATE_BYTES)).toString('latin1');
  const found = decodePem(text, invalid).filter(({ label }) => label === CERTIFICATE);
  if (found.length === 0) throw invalid('no certificate');
  return found.map(({ bytes }) => encodePem(CERTIFICATE, bytes)).join('');
}

function printConfig(engine: Engine, options: MirrorOptions): CommandResult {
  const config = mirrorConfig(engine, options);
  const comment = (line: string): string => `# ${line}\n`;
  const files = config.files.map(({ path, text }) => `${comment(path)}${text}`);
  return {
    json: { engine, ...config },
    text: printableLines(`${files.join('\n')}${config.notes.map(comment).join('')}`),
  };
}

/** Parses `ADDRESS:PORT`; an IPv6 address is in brackets. */
export function parseListen(text: string): { address: string; port: number } {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  if (address !== undefined && Number(digits) < 65_536) return { address, port: Number(digits) };
  throw usage('invalid --listen', 'an address and a port, such as 127.0.0.1:5080', text);
}

function parseHubPath(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const path = text.replace(/\/$/, '');
  if (/^(?:\/[A-Za-z0-9._~-]+)+$/.test(path)) return path;
  throw usage('invalid --hub-path', 'an absolute path such as /hub', text);
}

/** The certificate and key of a depot; undefined without TLS. @throws StowageError `usage-invalid` for one without the other */
export async function readTls(
  { tlsCertificate, tlsKey }: Pick<DepotCommandOptions, 'tlsCertificate' | 'tlsKey'>,
  context: CommandContext,
): Promise<{ certificate: Buffer; key: Buffer } | undefined> {
  if (tlsCertificate === undefined && tlsKey === undefined) return undefined;
  if (tlsCertificate === undefined || tlsKey === undefined)
    throw usage(
      'TLS needs a certificate and its key',
      'both --tls-certificate and --tls-key',
      'only one of them',
    );
  await warnOfExposure(tlsKey, context);
  return {
    certificate: await readNamed(context.path(tlsCertificate), 8 * MAX_CERTIFICATE_BYTES),
    key: await readNamed(context.path(tlsKey), MAX_CERTIFICATE_BYTES),
  };
}

async function readTokens(
  { tokenFile }: DepotCommandOptions,
  context: CommandContext,
): Promise<Tokens | undefined> {
  if (tokenFile === undefined) return undefined;
  return parseTokens(await readTokenFile(tokenFile, context));
}

async function readTokenFile(file: string, context: CommandContext): Promise<string> {
  await warnOfExposure(file, context);
  return (await readNamed(context.path(file), MAX_TOKEN_FILE_BYTES)).toString('utf8');
}

/** A warning only: a service of the system may read a key through a group. */
async function warnOfExposure(file: string, { path, emit }: CommandContext): Promise<void> {
  const found = (await exists(path(file))) ? await secretExposure(path(file)) : undefined;
  if (found !== undefined) emit({ type: 'warning', message: `other users can read it: ${found}` });
}

async function openLog(
  { accessLog }: DepotCommandOptions,
  context: CommandContext,
): Promise<Writable> {
  if (accessLog === undefined) return context.terminal.stderr;
  const path = context.path(accessLog);
  const log = createWriteStream(path, { flags: 'a', mode: 0o640 });
  try {
    await once(log, 'open');
  } catch (error) {
    throw outputError(error, path);
  }
  log.on('error', (error) =>
    context.emit({ type: 'warning', message: `the access log is incomplete: ${error.message}` }),
  );
  return log;
}

function troubleOf(error: unknown): { message: string; hint?: string } {
  if (error instanceof StowageError) return { message: error.message, hint: error.hint };
  return {
    message: 'the list of releases could not be refreshed; the previous list is still served',
  };
}

export interface DepotExportOptions {
  readonly hfCache: string;
  readonly release: readonly string[];
  readonly root?: string;
}

/** Writes the models of imported releases into a Hugging Face cache folder. */
export async function depotExport(
  options: DepotExportOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const site = await openFolder(options.root, context);
  const catalog =
    options.release.length === 0
      ? await catalogOfAll(site, (refused) => context.emit(refusedWarning(refused)))
      : await catalogOf(site, await idsOf(site, options.release));
  const found = await exportHubCache(catalog, context.path(options.hfCache), context);
  const { folder, repositories, linked, copied, present } = found;
  const lines = repositories.flatMap(({ repository, names, files, bytes }) => [
    `${repository}: ${counted(files, 'file')}, ${formatBytes(bytes)}`,
    ...Object.entries(names).map(([name, commit]) => `  ${name}  ${commit}`),
  ]);
  const sum = `${counted(linked, 'file')} linked, ${copied} copied, ${present} already present`;
  const use = `  use: HF_HUB_OFFLINE=1 HF_HUB_CACHE=${folder}`;
  const text =
    repositories.length === 0
      ? 'no release at this site contains a model from the Hugging Face Hub\n'
      : `${[...lines, sum, use].join('\n')}\n`;
  return { json: found, text: printableLines(text) };
}

async function idsOf(site: SiteFolder, names: readonly string[]): Promise<string[]> {
  const releases = await Promise.all(names.map((name) => findRelease(site, name)));
  return releases.map(({ id }) => id);
}
