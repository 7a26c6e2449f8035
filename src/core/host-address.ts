/**
 * An IPv6 address in the one form that engines report (RFC 5952): `0:0::1` is `::1`.
 * @returns undefined for anything else, also for an address with a zone (`fe80::1%eth0`)
 */
export function canonicalIpv6(text: string): string | undefined {
  if (!/^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(text)) return undefined;
  try {
    return new URL(`http://[${text}]`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
}

/** An address of IPv4 or IPv6 in its canonical form; other text as it is. */
export function canonicalAddress(text: string): string {
  return canonicalIpv6(text) ?? text;
}

/** Whether an address, as {@link canonicalAddress} writes it, is of IPv6. */
export function isIpv6(address: string): boolean {
  return address.includes(':');
}

/** An address as part of a URL, where one of IPv6 is in brackets (RFC 3986, section 3.2.2). */
export function urlHost(address: string): string {
  return isIpv6(address) ? `[${address}]` : address;
}

/** `address:port`, with an IPv6 address in brackets. */
export function socketAddress({ address, port }: { address: string; port: number }): string {
  return `${urlHost(address)}:${port}`;
}

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** The IPv4 address that is mapped into an IPv6 address (RFC 4291, section 2.5.5.2); undefined for every other. */
export function mappedIpv4(text: string): string | undefined {
  const [, ...words] = MAPPED.exec(canonicalIpv6(text) ?? '') ?? [];
  if (words.length < 2) return undefined;
  return words.flatMap((word) => [...Buffer.from(word.padStart(4, '0'), 'hex')]).join('.');
}

/** Whether an IPv6 address is of a link (`fe80::/10`), and so means nothing without the name of an interface. */
export function isLinkLocal(text: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(canonicalIpv6(text) ?? '');
}

const WORD_BITS = 16;
const WORDS = 8;

/**
 * An address or a network as the API of Kubernetes takes one: in CIDR notation, without the bits of a host, and in its canonical form. An
 * IPv4 address that is mapped into an IPv6 address is one of IPv4.
 */
export function cidrOf(place: string): string {
  const [address = '', length] = place.split('/');
  const mapped = mappedIpv4(address);
  if (mapped !== undefined && Number(length ?? 128) >= 96)
    return cidrOf(length === undefined ? mapped : `${mapped}/${Number(length) - 96}`);
  if (!isIpv6(address)) {
    const bits = Number(length ?? 32);
    return `${masked(address.split('.').map(Number), 8, bits).join('.')}/${bits}`;
  }
  const bits = Number(length ?? 128);
  const words = masked(wordsOf(address), WORD_BITS, bits).map((word) => word.toString(16));
  return `${canonicalIpv6(words.join(':'))}/${bits}`;
}

/** The eight words of an IPv6 address. */
function wordsOf(address: string): number[] {
  const parts = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const [start = '', end] = (canonicalIpv6(address) ?? '').split('::');
  const [before, after] = [parts(start), parts(end ?? '')];
  return [...before, ...Array(WORDS - before.length - after.length).fill(0), ...after];
}

/** The groups of an address, of so many bits each, with its first `bits` bits alone. */
function masked(groups: readonly number[], size: number, bits: number): number[] {
  return groups.map((group, index) => {
    const kept = Math.min(Math.max(bits - index * size, 0), size);
    return group & (((1 << kept) - 1) << (size - kept));
  });
}
