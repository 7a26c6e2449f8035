import { formatBytes } from '../../core/text.ts';
import type { DerivedSetting } from '../../format/derived.ts';

/** What was derived for services because the manifest does not say it, a line each. */
export function derivedLines(derived: readonly DerivedSetting[] = []): string[] {
  return derived.map(
    (each) => `  service ${each.service}: ${derivedText(each)}, derived: ${each.reason}`,
  );
}

function derivedText({ field, value }: DerivedSetting): string {
  if (typeof value === 'string') return `${field.replace('env.', '')}=${value}`;
  return `${field} ${field === 'sharedMemory' ? formatBytes(value) : value}`;
}
