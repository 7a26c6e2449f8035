import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Measured, measure } from '../measure.ts';

export interface ZarfPackage {
  readonly bytes: number;
  readonly measured: Measured;
}

/**
 * Creates a package of the files in the folder `model` of a folder.
 * @param program Zarf's program
 * @param since the version of the package that the site has, for `--differential`
 */
export async function zarfPackage(
  program: string,
  folder: string,
  version: string,
  since?: string,
): Promise<ZarfPackage> {
  const place = join(folder, `zarf-${version}`);
  mkdirSync(place);
  const files = readdirSync(join(folder, 'model'), { withFileTypes: true })
    .filter((each) => each.isFile())
    .map(({ name: file }) => ({ source: join('../model', file), target: `/srv/model/${file}` }));
  const text = {
    ...{ kind: 'ZarfPackageConfig', metadata: { name: 'bench', version, architecture: 'amd64' } },
    components: [{ name: 'model', required: true, files }],
  };
  writeFileSync(join(place, 'zarf.yaml'), JSON.stringify(text));
  const previous = since === undefined ? [] : packagesIn(join(folder, `zarf-${since}`)).slice(0, 1);
  const measured = await measure(
    program,
    [
      ...['package', 'create', place, '--output', place, '--tmpdir', place],
      ...['--confirm', '--skip-sbom'],
      ...previous.flatMap((each) => ['--differential', each]),
    ],
    { HOME: place },
  );
  const bytes = packagesIn(place).reduce((sum, each) => sum + statSync(each).size, 0);
  return { bytes, measured };
}

function packagesIn(place: string): string[] {
  return readdirSync(place)
    .filter((each) => each.startsWith('zarf-package-'))
    .map((each) => join(place, each));
}
