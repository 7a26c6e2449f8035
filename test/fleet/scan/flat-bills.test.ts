import { describe, expect, it } from 'vitest';
import { flatBills } from '../../../src/fleet/scan/flat-bills.ts';
import { cyclonedx } from '../../support/cyclonedx.ts';

interface Flat {
  readonly components: readonly {
    readonly name: string;
    readonly 'bom-ref': string;
    readonly properties?: readonly { readonly name: string; readonly value: string }[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const library = (purl: string): object => ({
  ...{ type: 'library', 'bom-ref': `image:a/${purl}`, name: 'x', version: '1', purl },
});
const image = (name: string, system: object | undefined, ...purls: readonly string[]): object => ({
  ...{ type: 'container', 'bom-ref': `image:${name}`, name, purl: `pkg:oci/${name}` },
  components: [...(system === undefined ? [] : [system]), ...purls.map(library)],
});
const system = (name: string, version: string): object => ({
  ...{ type: 'operating-system', 'bom-ref': `os:${name}`, name, version },
});
const deb = 'pkg:deb/debian/libssl3@3.0.11?arch=amd64&distro=debian-12';
const npm = 'pkg:npm/%40s/a@1.0.0';

function flat(...components: readonly object[]): { system: string | undefined; bill: Flat }[] {
  const metadata = { component: { type: 'application', name: 'chat' } };
  const bill = Buffer.from(JSON.stringify({ bomFormat: 'CycloneDX', metadata, components }));
  return flatBills(bill).map(({ bytes, system: named }) => {
    const valid = cyclonedx();
    const document = JSON.parse(bytes.toString('utf8')) as Flat;
    valid(document);
    expect(valid.errors ?? []).toEqual([]);
    return { system: named, bill: document };
  });
}

describe('when an SBOM is divided for a scanner that looks at the top level alone', () => {
  it('has a document for each image, with its system and packages, and one for the rest', () => {
    const inner = { type: 'application', 'bom-ref': 'i', name: 'i', components: [library(npm)] };
    const found = flat(
      image('debian', system('debian', '12'), deb, npm),
      image('alpine', system('alpine', '3.20.1'), 'pkg:apk/alpine/musl@1'),
      inner,
    );
    expect(found.map((each) => each.system)).toEqual(['debian 12', 'alpine 3.20.1', undefined]);
    expect(found.map(({ bill }) => bill.components.map((each) => each['bom-ref']))).toEqual([
      ['os:debian', `image:a/${deb}`, `image:a/${npm}`],
      ['os:alpine', 'image:a/pkg:apk/alpine/musl@1'],
      [`image:a/${npm}`],
    ]);
    expect(found[0]?.bill.dependencies).toEqual([
      { ref: 'os:debian', dependsOn: [`image:a/${deb}`] },
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    [`${deb}&upstream=openssl`, { SrcName: 'openssl' }],
    [`${deb}&upstream=gcc%4012.2-1%2Bb1`, { SrcName: 'gcc', SrcVersion: '12.2-1+b1' }],
    ['pkg:apk/alpine/a@1?upstream=b', { SrcName: 'b' }],
    ['pkg:rpm/rhel/a@1?upstream=b-c-3.2-8.el9.src.rpm', { SrcName: 'b-c' }],
    ['pkg:rpm/rhel/a@1?upstream=b', {}],
    ['pkg:npm/a@1?upstream=b', {}],
    [deb, {}],
  ])('names the source package of %s', (purl, expected) => {
    const [found] = flat(image('a', system('debian', '12'), purl));
    const properties = found?.bill.components[1]?.properties ?? [];
    expect(Object.fromEntries(properties.map(({ name, value }) => [name, value]))).toEqual(
      Object.fromEntries(
        Object.entries(expected).map(([name, value]) => [`aquasecurity:trivy:${name}`, value]),
      ),
    );
  });

  it.each([
    ['rhel', 'redhat'],
    ['almalinux', 'alma'],
    ['opensuse', 'opensuse-leap'],
    ['sl-micro', 'slem'],
    ['centos', 'centos'],
    ['debian', 'debian'],
  ])('calls the system %s as the scanner does: %s', (name, family) => {
    const [found] = flat(image('a', system(name, '9'), 'pkg:rpm/x/a@1'));
    expect(found?.bill.components[0]?.name).toBe(family);
  });

  it('does not take CentOS Stream for the CentOS that has the versions of Red Hat', () => {
    const stream = { ...system('centos', '9'), description: 'CentOS Stream 9' };
    const [found] = flat(image('a', stream, 'pkg:rpm/centos/a@1'));
    expect(found?.bill.components[0]?.name).toBe('centos-stream');
    expect(found?.system).toBe('centos 9');
  });

  it('leaves out packages of systems that the image does not name, with which the scanner fails', () => {
    const [found] = flat(image('a', undefined, deb, 'pkg:rpm/redhat/a@1', npm));
    expect(found?.bill.components.map((each) => each['bom-ref'])).toEqual([`image:a/${npm}`]);
    expect(found?.system).toBe('an unknown system');
  });

  it('has a system for packages of one that the image does not name', () => {
    expect(flat(image('a', undefined, deb))[0]?.system).toBe('an unknown system');
    expect(flat(image('a', undefined, npm))[0]?.system).toBeUndefined();
  });
});
