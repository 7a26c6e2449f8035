import { StowageError } from '../core/error.ts';
import { redactUrl } from '../net/address.ts';
import type { HttpRefusal } from '../net/http.ts';

/** A request that a store refused. */
export interface RefusedS3 {
  readonly bucket: string;
  readonly what: string;
  readonly url: URL;
  readonly hasCredentials: boolean;
}

/**
 * The error for a refusal, from the code in its body. Nothing else of the body is quoted: stores repeat tokens and key ids in it.
 * HEAD has no body, only a status.
 */
export function s3Refusal(
  { status, headers, said }: HttpRefusal,
  { bucket, what, url, hasCredentials }: RefusedS3,
): StowageError | undefined {
  const code = /<Code>([A-Za-z0-9]{1,80})<\/Code>/.exec(said)?.[1];
  const found = code === undefined ? `status ${status}` : `status ${status}: ${code}`;
  const expected = `access to ${redactUrl(url)}`;
  const region = /^[a-z0-9-]{1,64}$/.exec(headers.get('x-amz-bucket-region') ?? '')?.[0];
  const elsewhere = [301, 307, 308].includes(status) || code === 'AuthorizationHeaderMalformed';
  if (elsewhere)
    return new StowageError('source-unsupported', `bucket ${bucket} is in another region`, {
      expected: `an answer from ${redactUrl(url)}`,
      found: region === undefined ? found : `${found}, region ${region}`,
      hint:
        region === undefined
          ? 'set AWS_REGION to the region of the bucket, or AWS_ENDPOINT_URL_S3 to the address of the store'
          : `set AWS_REGION=${region}`,
    });
  if (code === 'InvalidObjectState')
    return new StowageError('source-denied', `${what} is archived`, {
      expected: 'an object that can be read at once',
      found,
      hint: 'restore it first, as with aws s3api restore-object',
    });
  if (status === 412)
    return new StowageError('source-mismatch', `${what} changed while it was read`, {
      expected: 'the object that was listed',
      found,
      hint: 'run the same command again when nobody writes to the bucket',
    });
  if (code === 'NoSuchBucket')
    return new StowageError('source-not-found', `no bucket ${bucket}`, {
      expected: `a bucket at ${redactUrl(url)}`,
      found,
      hint: 'check its name, and AWS_ENDPOINT_URL_S3 if the store is not that of AWS',
    });
  if (code === 'RequestTimeTooSkewed')
    return new StowageError('source-denied', `not allowed to read ${what}`, {
      expected: 'a clock that differs from that of the store by at most 15 minutes',
      found,
      hint: 'correct the clock of this machine',
    });
  if (status === 401 || status === 403)
    return new StowageError('source-denied', `not allowed to read ${what}`, {
      expected,
      found,
      hint: hasCredentials
        ? 'check that the credentials are those of this store and may use s3:ListBucket and s3:GetObject in this bucket'
        : 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE: without them, requests are anonymous',
    });
  return undefined;
}
