import { describe, expect, it, vi } from 'vitest';
import { manifestKind } from '../../src/format/manifest.ts';
import { siteKind } from '../../src/format/site.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { expectCode } from '../support/error.ts';

const HEAD = 'apiVersion: stowage/v1\nname: a\nversion: 1.0.0\n';

describe('when YAML is read', () => {
  it.each([
    ['an alias', `${HEAD}description: &a x\nchannel: *a\n`],
    [
      'a bomb of aliases',
      'a: &a [1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c]\n',
    ],
    ['an alias to itself', 'a: &a [*a]\n'],
    ['a merge key', `${HEAD}<<: {channel: x}\n`],
    ['a key twice', `${HEAD}name: b\n`],
    ['a key twice further in', `${HEAD}parameters: {a: 1, a: 2}\n`],
    ['a key twice, once quoted', `${HEAD}"name": b\n`],
    ['two documents', `${HEAD}---\n${HEAD}`],
    ['a tag that nobody defined', `${HEAD}description: !secret x\n`],
    ['a tag that runs code elsewhere', `${HEAD}description: !!js/function "x"\n`],
    ['a tab for indentation', `${HEAD}requires:\n\treleases: []\n`],
    ['an end in the middle', `${HEAD}description: "x`],
    ['20,000 levels', '['.repeat(20_000)],
    ['2,000 levels in other brackets', `${HEAD}requires: ${'{a: '.repeat(2000)}`],
    ['nothing', ''],
    ['a comment alone', '# nothing\n'],
    ['a list', '- a\n'],
  ])('refuses %s', async (_, text) => {
    const warn = vi.spyOn(process, 'emitWarning');
    await expectCode(() => readYaml(manifestKind, Buffer.from(text)), 'manifest-invalid');
    expect(warn).not.toHaveBeenCalled();
  });

  it.each([
    ['invalid UTF-8', Buffer.from([0x61, 0xff])],
    ['UTF-16', Buffer.from('a: b', 'utf16le')],
    ['a lone surrogate in UTF-8', Buffer.from([0xed, 0xa0, 0x80])],
    ['one byte over its size', Buffer.alloc(manifestKind.maxBytes + 1, '#')],
  ])('refuses %s', async (_, bytes) => {
    await expectCode(() => readYaml(manifestKind, bytes), 'manifest-invalid');
  });

  it('reads up to the limit of bytes', () => {
    const comment = Buffer.alloc(manifestKind.maxBytes - HEAD.length, '#');
    expect(readYaml(manifestKind, Buffer.concat([Buffer.from(HEAD), comment])).name).toBe('a');
  });

  it('reads words that were booleans in older YAML as strings', () => {
    const text = 'apiVersion: stowage/v1\nname: no\nparameters: {a: {x: yes, y: on, z: 010}}\n';
    const site = readYaml(siteKind, Buffer.from(text));
    expect(site.name).toBe('no');
    expect(site.parameters['a']).toEqual({ x: 'yes', y: 'on', z: 10 });
  });

  it('reports all defects with their paths, at most fifty', async () => {
    const models = Array.from({ length: 60 }, () => '{}').join(',');
    const text = `${HEAD}models: [${models}]\n`;
    const error = await expectCode(
      () => readYaml(manifestKind, Buffer.from(text)),
      'manifest-invalid',
    );
    expect(error.message).toBe('manifest has 120 defects');
    expect(error.defects).toHaveLength(50);
    expect(error.defects[0]).toMatch(/^models\[0\]\.name: /);
  });

  it('reports for a union the defects of the closest branch', async () => {
    const text = `${HEAD}images: [{name: i, source: x}]\nservices: [{name: s, image: i, mounts: [{model: a, path: b}]}]\n`;
    const error = await expectCode(
      () => readYaml(manifestKind, Buffer.from(text)),
      'manifest-invalid',
    );
    expect(error.defects[0]).toBe(
      'services[0].mounts[0].path: expected an absolute path of portable names',
    );
  });
});
