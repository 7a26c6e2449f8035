import { describe, expect, it } from 'vitest';
import { parseReference, referenceName } from '../../src/source/reference.ts';
import { expectCode } from '../support/error.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('an image reference', () => {
  it.each([
    ['debian', 'docker.io/library/debian:latest'],
    ['debian:12', 'docker.io/library/debian:12'],
    ['vllm/vllm-openai:v0.11.0', 'docker.io/vllm/vllm-openai:v0.11.0'],
    ['docker.io/debian', 'docker.io/library/debian:latest'],
    ['index.docker.io/a/b', 'docker.io/a/b:latest'],
    ['ghcr.io/ggml-org/llama.cpp:server', 'ghcr.io/ggml-org/llama.cpp:server'],
    ['nvcr.io/nim/meta/llama:1', 'nvcr.io/nim/meta/llama:1'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/x', 'localhost:5000/x:latest'],
    ['127.0.0.1:5000/x/y:t', '127.0.0.1:5000/x/y:t'],
    ['[::1]:5000/x:t', '[::1]:5000/x:t'],
    ['Registry.Example.com/x', 'Registry.Example.com/x:latest'],
    ['myhost/x', 'docker.io/myhost/x:latest'],
    ['myhost:80/x', 'myhost:80/x:latest'],
    [`debian@${digest}`, `docker.io/library/debian@${digest}`],
    [`r.io/a:1@${digest}`, `r.io/a:1@${digest}`],
    ['a__b/c-d.e_f/g--h', 'docker.io/a__b/c-d.e_f/g--h:latest'],
    [`x:${'t'.repeat(128)}`, `docker.io/library/x:${'t'.repeat(128)}`],
    ['x:_1', 'docker.io/library/x:_1'],
  ])('%s is %s', (text, name) => {
    expect(referenceName(parseReference(text))).toBe(name);
  });

  it.each([
    '',
    '/',
    ':tag',
    'Debian',
    'r.io/Upper/case',
    'r.io/',
    'r.io//x',
    '/x',
    'x/',
    'x:',
    'x:-1',
    'x:.1',
    'x:a b',
    'x:a:b',
    `x:${'t'.repeat(129)}`,
    'a..b',
    '../x',
    'r.io/../x',
    'a_-b',
    'a___b',
    '-a',
    'r.io:port/x',
    'r.io:123456/x',
    'user@host.io/x',
    'https://r.io/x',
    'x?y',
    'x#y',
    'x%2f',
    'r_.io/x',
    '-r.io/x',
    'x\n',
    `r.io/${'a'.repeat(256)}`,
  ])('%j is refused', async (text) => {
    const code = text.includes('@') ? 'digest-malformed' : 'manifest-invalid';
    await expectCode(() => parseReference(text), code);
  });

  it.each([
    'x@',
    'x@sha256:abc',
    `x@sha256:${'A'.repeat(64)}`,
    `x@sha512:${'a'.repeat(128)}`,
    `x@${digest}@${digest}`,
    `x@${digest}:tag`,
  ])('%j has no acceptable digest', async (text) => {
    await expectCode(() => parseReference(text), 'digest-malformed');
  });

  it('has a tag only if it has no digest', () => {
    expect(parseReference(`x@${digest}`)).not.toHaveProperty('tag');
    expect(parseReference('x')).not.toHaveProperty('digest');
  });
});
