import { describe, expect, it } from 'vitest';
import { SinkLog } from '../../../../src/target/kubernetes/sealed/sink-log.ts';

const line = (number: number, rest = 'tcp 10.1.0.7 40000 443 1603'): string =>
  `${number} 1796000000000 ${rest}\n`;
const text = (log: SinkLog): string =>
  log
    .all()
    .lines.map(({ bytes }) => bytes.toString('hex'))
    .join(' ');

describe('when the log of a sink is read', () => {
  it('has the source, the port, the time and the first bytes of each attempt', () => {
    const log = new SinkLog();
    log.add(Buffer.from(`ready 53,443\n${line(1)}${line(2, 'udp 10.1.0.8 5353 123 -')}`));
    expect(log.all()).toEqual({
      lines: [
        {
          ...{ kind: 'tcp', at: new Date(1_796_000_000_000), source: '10.1.0.7' },
          ...{ sourcePort: 40_000, port: 443, bytes: Buffer.from([0x16, 3]) },
        },
        {
          ...{ kind: 'udp', at: new Date(1_796_000_000_000), source: '10.1.0.8' },
          ...{ sourcePort: 5353, port: 123, bytes: Buffer.alloc(0) },
        },
      ],
      more: 0,
    });
  });

  it('takes each line once, however often the log begins again and wherever it is cut', () => {
    const log = new SinkLog();
    const all = Buffer.from(line(1, 'tcp 10.1.0.7 1 80 01') + line(2, 'tcp 10.1.0.7 2 80 02'));
    for (const end of [10, all.length - 5, all.length]) {
      log.begin();
      for (const byte of all.subarray(0, end)) log.add(Buffer.from([byte]));
    }
    expect(text(log)).toBe('01 02');
    expect(log.all().more).toBe(0);
  });

  it('counts what the kubelet dropped of a log that got too long', () => {
    const log = new SinkLog();
    log.add(Buffer.from(line(1)));
    log.begin();
    log.add(Buffer.from(line(5) + line(6)));
    expect(log.all().more).toBe(3);
  });

  it.each([
    ['another kind', 'icmp 10.1.0.7 1 80 -'],
    ['no address', 'tcp example.com 1 80 -'],
    ['half a byte', 'tcp 10.1.0.7 1 80 1'],
    ['no hex', 'tcp 10.1.0.7 1 80 <script>'],
    ['more words', 'tcp 10.1.0.7 1 80 01 02'],
  ])('reads nothing from a line with %s', (_, rest) => {
    const log = new SinkLog();
    log.add(Buffer.from(line(1, rest)));
    expect(log.all()).toEqual({ lines: [], more: 0 });
  });
});
