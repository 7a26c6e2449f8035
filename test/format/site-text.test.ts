import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../src/format/document.ts';
import { siteKind } from '../../src/format/site.ts';
import { type Settable, siteText } from '../../src/format/site-text.ts';
import { readYaml } from '../../src/format/yaml-document.ts';

const release: Settable = {
  name: 'chat',
  channel: 'beta',
  parameters: {
    port: { type: 'integer', default: 8080, description: 'port on the host' },
    model: { type: 'string', description: 'name that clients use, as written in the contract' },
    debug: { type: 'boolean', default: false, description: 'größere Ausgabe' },
    greeting: { type: 'string', default: 'Grüß "Gott": # {x}, y\n', description: 'x '.repeat(200) },
  },
  secrets: { 'api-key': { description: 'key that clients must send' } },
};

/** Reads it as a site does that adds its own name. */
const read = (text: string) => readYaml(siteKind, Buffer.from(`name: here\n${text}`));

describe('when a release has values and secrets', () => {
  const text = siteText(release, '/var/lib/stowage');

  it('is a valid site.yaml as it is, and keeps every default', () => {
    const site = read(text);
    expect(site.parameters).toEqual({ chat: {} });
    expect(site.channels).toEqual(['beta']);
    expect(site.secrets).toEqual({
      chat: { 'api-key': { file: '/var/lib/stowage/secrets/chat/api-key' } },
    });
  });

  it('is a valid site.yaml with every line of a value in effect, with the defaults', () => {
    const site = read(text.replace(/^ {8}# (\w+: .*,)$/gm, '        $1'));
    expect(site.parameters['chat']).toEqual({
      debug: false,
      greeting: 'Grüß "Gott": # {x}, y\n',
      model: 'A-VALUE',
      port: 8080,
    });
  });

  it('names type, default and description of each, in ASCII', () => {
    expect(text).toContain(
      '        # integer, default 8080. port on the host\n        # port: 8080,\n',
    );
    expect(text).toContain('        # string, REQUIRED: set a value. name that clients use');
    expect(text).toContain('        # key that clients must send\n        api-key: { file: ');
    for (const line of text.split('\n')) expect(line).toMatch(/^[\x20-\x7e]*$/);
    const comments = text.split('\n').filter((line) => / # [^:]*$/.test(line));
    for (const line of comments) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('when a release has optional parts', () => {
  const sized = {
    ...release,
    models: [{ name: 'tiny' }, { name: 'large', optional: true }],
    services: [{ name: 'api', optional: true }],
  };
  const text = siteText(sized, '/srv');

  it('lists each, and chooses none', () => {
    expect(read(text).with).toEqual({ chat: [] });
    expect(text).not.toContain('tiny');
  });

  it('chooses those whose line is in effect', () => {
    expect(read(text.replaceAll('        # model/', '        model/')).with).toEqual({
      chat: ['model/large'],
    });
  });
});

describe('when a release has neither', () => {
  it('is a valid site.yaml without such lists', () => {
    const text = siteText({ ...release, parameters: {}, secrets: {} }, '/srv');
    expect(text).not.toContain('chat');
    expect(read(text)).toEqual(
      checkDocument(siteKind, { apiVersion: 'stowage/v1', name: 'here', channels: ['beta'] }),
    );
  });
});
