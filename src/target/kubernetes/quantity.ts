/** Suffixes of a quantity and what they multiply by. */
const UNITS: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** The number of a quantity such as `1500m`, `16Gi` or `1e3`; 0 for anything else. */
export function quantity(value: unknown): number {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})$/.exec(String(value ?? ''));
  if (match === null) return 0;
  return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0);
}
