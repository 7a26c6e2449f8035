import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { siteKind } from '../../../src/format/site.ts';
import { targetNames } from '../../../src/format/target-name.ts';
import { readYaml } from '../../../src/format/yaml-document.ts';
import { runProgram } from '../../support/fake-terminal.ts';

describe('when an operator asks for the format of site.yaml', () => {
  it('explains every field, and gives an example that is valid', async () => {
    const { status, stdout } = await runProgram(['help', 'site.yaml'], '/');
    expect(status).toBe(0);
    const example = stdout.slice(stdout.indexOf('apiVersion: stowage/v1'));
    const site = readYaml(siteKind, Buffer.from(example));
    expect(site).toMatchObject({ name: 'plant-7', parameters: { chat: { port: 8081 } } });
    const schema = JSON.parse(readFileSync('manifests/schema/site.schema.json', 'utf8'));
    const { kubernetes } = schema.properties;
    expect(Object.keys(kubernetes.properties)).toContain('storageClass');
    for (const field of [...Object.keys(schema.properties), ...Object.keys(kubernetes.properties)])
      expect(stdout).toMatch(new RegExp(`^  ${field} +\\S`, 'm'));
    for (const field of Object.keys(kubernetes.properties.images.properties))
      expect(stdout).toMatch(new RegExp(`\\b${field}\\b`));
    for (const target of targetNames) expect(stdout).toMatch(new RegExp(`\\b${target}\\b`));
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});
