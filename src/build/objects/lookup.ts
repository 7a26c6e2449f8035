import type { ChartFiles } from './chart-files.ts';

/**
 * The chart with `fail` in place of each `lookup`, which asks a cluster and gets nothing from `helm template`: rendering it
 * fails where a template would have asked, and only there.
 */
export function withoutLookup(chart: ChartFiles): ChartFiles {
  const files = new Map(
    [...chart.files].map(([path, bytes]) =>
      /(?:^|\/)templates\//.test(path)
        ? ([path, failing(bytes)] as const)
        : ([path, bytes] as const),
    ),
  );
  return { ...chart, files };
}

function failing(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  // Inside of an action, outside of its texts.
  const replaced = text.replace(/\{\{[\s\S]*?\}\}/g, (action) =>
    action.replace(/"(?:[^"\\\n]|\\.)*"|`[^`]*`|(?<![\w.$-])lookup(?![\w-])/g, (token) =>
      token === 'lookup' ? 'fail' : token,
    ),
  );
  return replaced === text ? bytes : Buffer.from(replaced, 'latin1');
}
