import { describe, expect, it } from 'vitest';
import {
  cleanEnvironment,
  foreignVariable,
  namesDescriptor,
} from '../../src/cli/clean-environment.ts';

describe('when variables change the runtime', () => {
  const kept = { PATH: '/bin', HOME: '/root', STOWAGE_ROOT: '/s', LD_PRELOAD: '/x.so', SECRET: '' };

  it.each([
    'NODE_OPTIONS',
    'NODE_PATH',
    'NODE_EXTRA_CA_CERTS',
    'NODE_COMPILE_CACHE',
    'NODE_V8_COVERAGE',
    'NODE_CHANNEL_FD',
    'OPENSSL_CONF',
    'OPENSSL_MODULES',
    'OPENSSL_ia32cap',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'SSLKEYLOGFILE',
    'UV_THREADPOOL_SIZE',
    'CARES_HOSTS',
  ])('takes %s out, set to nothing too', (name) => {
    expect(cleanEnvironment({ ...kept, [name]: 'x' })).toEqual(kept);
    expect(cleanEnvironment({ ...kept, [name]: '' })).toEqual(kept);
    expect(foreignVariable({ ...kept, [name]: 'x' })).toBe(name);
  });

  it('returns nothing for a clean environment, so that the program does not restart forever', () => {
    expect(cleanEnvironment(kept)).toBeUndefined();
    expect(cleanEnvironment(cleanEnvironment({ NODE_OPTIONS: '', ...kept }) ?? {})).toBeUndefined();
    expect(foreignVariable(kept)).toBeUndefined();
  });

  it('keeps variables with similar names', () => {
    const env = { MY_NODE_OPTIONS: 'x', NODENAME: 'x', SSL_CERT_FILES: 'x', node_options: 'x' };
    expect(cleanEnvironment(env)).toBeUndefined();
  });
});

describe('when an argument names a file descriptor', () => {
  it.each([
    [['sign', 'b', '--passphrase-fd', '3'], true],
    [['sign', 'b', '--passphrase-fd=9'], true],
    [['sign', 'b', '--passphrase-fd', '0'], false],
    [['sign', 'b', '--passphrase-fd=0'], false],
    [['sign', 'b', '--passphrase-file', '3'], false],
    [['sign', 'b', '--passphrase-fd'], false],
    [[], false],
  ])('knows %j', (args, lost) => {
    expect(namesDescriptor(args)).toBe(lost);
  });
});
