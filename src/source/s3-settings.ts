import { join } from 'node:path';
import type { Environment } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { Secret } from '../net/secret.ts';
import { readEndpoint } from './endpoint.ts';

/** An account of an S3-compatible store. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  /** For temporary credentials. */
  readonly sessionToken?: Secret;
}

/** An S3-compatible store, and the account to read it with. */
export interface S3Settings {
  /** Such as `https://s3.eu-central-1.amazonaws.com`, without a trailing slash; may have a path. */
  readonly endpoint: string;
  readonly region: string;
  /** Whether the bucket is in the path instead of the host name. */
  readonly pathStyle: boolean;
  /** Without credentials, requests are anonymous. */
  readonly credentials?: S3Credentials;
}

/** The keys of a profile; those of a nested section have its name before a dot, such as `s3.addressing_style`. */
type Profile = Readonly<Record<string, string | undefined>>;

/** Ways to get credentials that need programs or services of AWS. */
const BY_PROGRAM = [
  'credential_process',
  'role_arn',
  'sso_session',
  'sso_start_url',
  'web_identity_token_file',
];
const EXPORT = 'eval "$(aws configure export-credentials --format env)"';

/**
 * The store and the account, from the places that the AWS command-line tool reads: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
 * `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL`, then the profile `AWS_PROFILE` in `~/.aws/config` and
 * `~/.aws/credentials`.
 * @throws StowageError `source-unsupported`, `source-denied`
 */
export async function s3Settings(env: Environment, home: string): Promise<S3Settings> {
  const profile = await profileOf(env, home);
  const own = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || profile['endpoint_url'];
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || profile['region'] || 'us-east-1';
  if (!/^[a-z0-9-]{1,64}$/.test(region))
    throw invalid('the region of S3', 'such as us-east-1', region);
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const endpoint = own ? parseEndpoint(own) : `https://s3.${region}.${domain}`;
  const credentials = credentialsOf(env, profile);
  // Stores other than that of AWS seldom have a host name for each bucket.
  const style = profile['s3.addressing_style'] ?? (own ? 'path' : 'virtual');
  return {
    ...{ endpoint, region, pathStyle: style === 'path' },
    ...(credentials === undefined ? {} : { credentials }),
  };
}

function credentialsOf(env: Environment, profile: Profile): S3Credentials | undefined {
  const fromEnvironment = env['AWS_ACCESS_KEY_ID'] || env['AWS_SECRET_ACCESS_KEY'];
  const [accessKeyId = '', secret = '', token = ''] = fromEnvironment
    ? [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY'], env['AWS_SESSION_TOKEN']]
    : [
        profile['aws_access_key_id'],
        profile['aws_secret_access_key'],
        profile['aws_session_token'],
      ];
  if (accessKeyId === '' && secret === '') {
    const way = BY_PROGRAM.find((each) => profile[each] !== undefined);
    if (way === undefined) return undefined;
    throw new StowageError('source-denied', 'the AWS profile has no keys of its own', {
      expected: 'aws_access_key_id and aws_secret_access_key, or the variables of the same names',
      found: way,
      hint: `run ${EXPORT} first: it sets the variables for this shell`,
    });
  }
  if (!/^[\w.+=/@-]{1,256}$/.test(accessKeyId) || !/^[\x21-\x7e]{1,1024}$/.test(secret))
    throw new StowageError('source-denied', 'the AWS credentials are incomplete or invalid', {
      expected:
        'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, each one line of printable characters',
      hint: `set both variables, or run ${EXPORT}`,
    });
  if (!/^[\x21-\x7e]{0,16384}$/.test(token))
    throw new StowageError('source-denied', 'AWS_SESSION_TOKEN is invalid', {
      expected: 'one line of printable characters',
      hint: `set it again: ${EXPORT}`,
    });
  return {
    ...{ accessKeyId, secretAccessKey: new Secret(secret) },
    ...(token === '' ? {} : { sessionToken: new Secret(token) }),
  };
}

async function profileOf(env: Environment, home: string): Promise<Profile> {
  // Loaded on first use, so that commands without S3 start faster.
  const { loadSharedConfigFiles } = await import('@smithy/core/config');
  const { configFile, credentialsFile } = await loadSharedConfigFiles({
    configFilepath: env['AWS_CONFIG_FILE'] || join(home, '.aws/config'),
    filepath: env['AWS_SHARED_CREDENTIALS_FILE'] || join(home, '.aws/credentials'),
    ignoreCache: true,
  });
  const named = env['AWS_PROFILE'] || env['AWS_DEFAULT_PROFILE'];
  const name = named || 'default';
  const inConfig = configFile[name];
  const inCredentials = credentialsFile[name];
  if (named && inConfig === undefined && inCredentials === undefined)
    throw invalid('the AWS profile', 'a profile in ~/.aws/config or ~/.aws/credentials', name);
  const services = configFile[`services.${inConfig?.['services'] ?? ''}`];
  const endpoint = services?.['s3.endpoint_url'];
  return {
    ...inConfig,
    ...inCredentials,
    ...(endpoint === undefined ? {} : { endpoint_url: endpoint }),
  };
}

function parseEndpoint(text: string): string {
  const { address, found } = readEndpoint(text);
  if (address !== undefined) return address;
  const expected = 'an https address without user or query, such as https://s3.example.com';
  throw invalid('the endpoint of S3', expected, found);
}

function invalid(what: string, expected: string, found: string): StowageError {
  return new StowageError('source-unsupported', `${what} is not valid`, {
    expected,
    found: JSON.stringify(found.slice(0, 160)),
    hint: 'correct AWS_ENDPOINT_URL_S3, AWS_REGION or AWS_PROFILE, or the profile in ~/.aws/config',
  });
}
