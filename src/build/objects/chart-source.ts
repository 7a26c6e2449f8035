import { StowageError } from '../../core/error.ts';
import { quoted } from '../../core/text.ts';

/** Where a chart is, as the manifest names it. */
export type ChartAddress =
  | { readonly kind: 'registry'; readonly reference: string }
  | {
      readonly kind: 'repository';
      readonly url: string;
      readonly chart: string;
      readonly version: string;
    }
  | { readonly kind: 'local'; readonly path: string };

const VERSION = /^v?[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** Parses the source of a chart. @throws StowageError `manifest-invalid` */
export function parseChartSource(source: string): ChartAddress {
  const [, scheme] = /^([a-z][a-z0-9+]*):\/\//.exec(source) ?? [];
  if (scheme === undefined) return { kind: 'local', path: source };
  const at = source.lastIndexOf('@');
  const version = source.slice(at + 1);
  if (scheme === 'oci') {
    const [, name] = /^oci:\/\/(.+?)@/.exec(source) ?? [];
    if (name !== undefined && /^sha256:[0-9a-f]{64}$/.test(version))
      return { kind: 'registry', reference: `${name}@${version}` };
    // Tags cannot have a +: Helm writes _.
    if (name !== undefined && VERSION.test(version))
      return { kind: 'registry', reference: `${name}:${version.replaceAll('+', '_')}` };
    throw invalid(source, 'oci://registry/path/chart@version');
  }
  const [, url, chart] = /^(https?:\/\/[^#@]+)#([a-z0-9][a-z0-9._-]*)@/.exec(source) ?? [];
  if (url !== undefined && chart !== undefined && VERSION.test(version))
    return { kind: 'repository', url: url.replace(/\/+$/, ''), chart, version };
  throw invalid(source, 'https://repository#chart@version');
}

function invalid(source: string, expected: string): StowageError {
  return new StowageError('manifest-invalid', 'invalid source of a chart', {
    expected: `${expected}, with one exact version such as 1.4.0`,
    found: quoted(source),
    hint: 'name the chart and one exact version; helm search repo and helm show chart list versions',
  });
}
