import { GIB, KIB, MIB } from '../core/limits.ts';

/** Parses a size such as `512MiB`, `25GB` or `4.7GB` to bytes, rounded down; undefined if it is not one. */
export function parseBytes(text: string): number | undefined {
  const match = /^((?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,3})?)(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)$/.exec(
    text,
  );
  const units: Readonly<Record<string, number>> = {
    B: 1,
    KiB: KIB,
    MiB: MIB,
    GiB: GIB,
    TiB: GIB * KIB,
    KB: 1e3,
    MB: 1e6,
    GB: 1e9,
    TB: 1e12,
  };
  const unit = units[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const [whole = '', fraction = ''] = (match[1] ?? '').split('.');
  if (fraction !== '' && unit === 1) return undefined;
  // In thousandths, because 4.7 is not exact in binary.
  const bytes = Math.floor((Number(whole + fraction.padEnd(3, '0')) * unit) / 1000);
  return bytes === 0 ? undefined : bytes;
}

/** A duration for people: `2 min 05 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
