import type { S3Settings } from '../../src/source/s3-settings.ts';

/** The settings of somebody who has none. */
export const anonymousS3 = async (): Promise<S3Settings> => ({
  endpoint: 'https://s3.us-east-1.amazonaws.com',
  region: 'us-east-1',
  pathStyle: false,
});
