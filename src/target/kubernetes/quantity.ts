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

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const;
const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** A number of bytes as the API server writes it: with the largest unit that leaves a whole number. */
export function byteQuantity(bytes: number): string {
  const [base, units] = bytes % 1024 === 0 ? [1024, BINARY] : [1000, DECIMAL];
  let amount = bytes;
  let unit = 0;
  while (amount > 0 && amount % base === 0 && unit < units.length - 1) {
    amount /= base;
    unit += 1;
  }
  return `${amount}${units[unit]}`;
}

/** A number of processors as the API server writes it: whole, or in thousandths. */
export function cpuQuantity(cpus: number): string {
  const thousandths = Math.ceil(cpus * 1000);
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
}
