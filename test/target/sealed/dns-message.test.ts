import { describe, expect, it } from 'vitest';
import { readQuestion, writeAnswer } from '../../../src/target/sealed/dns-message.ts';

/** A query as a resolver sends it: id 0x1234, recursion desired. */
function query(name: string, type: number, flags = 0x0100): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(0x1234, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  const labels = name === '' ? [] : name.split('.');
  const question = labels.map((each) =>
    Buffer.concat([Buffer.from([each.length]), Buffer.from(each)]),
  );
  const end = Buffer.alloc(5);
  end.writeUInt16BE(type, 1);
  end.writeUInt16BE(1, 3);
  return Buffer.concat([header, ...question, end]);
}

const addresses = { a: Uint8Array.from([198, 18, 0, 1]), aaaa: Buffer.alloc(16, 0xfd) };

describe('when a query is read', () => {
  it.each([
    ['stats.vllm.ai', 'stats.vllm.ai'],
    ['Stats.VLLM.ai', 'stats.vllm.ai'],
    ['a', 'a'],
    ['', ''],
  ])('reads the name %j', (name, expected) => {
    expect(readQuestion(query(name, 1))).toMatchObject({ name: expected, type: 1 });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a header alone', query('a', 1).subarray(0, 12)],
    ['a name that is cut', query('example.com', 1).subarray(0, 18)],
    ['a question without its class', query('example.com', 1).subarray(0, -2)],
    ['an answer', query('example.com', 1, 0x8180)],
    [
      'a compressed name',
      Buffer.concat([query('', 1).subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
    ],
    [
      'a label that is longer than the message',
      Buffer.concat([query('', 1).subarray(0, 12), Buffer.alloc(9, 63)]),
    ],
    [
      'a name of more than 253 characters',
      query(Array.from({ length: 64 }, () => 'abcd').join('.'), 1),
    ],
  ])('passes over %s', (_, message) => {
    expect(readQuestion(message)).toBeUndefined();
  });
});

describe('when a query is answered', () => {
  it.each([
    [1, '0001', Buffer.from(addresses.a)],
    [28, '001c', Buffer.from(addresses.aaaa)],
  ])('gives the address of type %i', (type, digits, data) => {
    const asked = query('a.example', type);
    const question = readQuestion(asked);
    const answer = writeAnswer(asked, question ?? { type: 0, end: 0 }, addresses);
    expect(answer.subarray(0, 4).toString('hex')).toBe('12348580');
    expect(answer.readUInt16BE(6)).toBe(1);
    const record = answer.subarray(question?.end);
    expect(record.toString('hex')).toBe(
      `c00c${digits}00010000003c${data.length.toString(16).padStart(4, '0')}${data.toString('hex')}`,
    );
  });

  it('gives no record of another type', () => {
    const asked = query('a.example', 65);
    const answer = writeAnswer(asked, readQuestion(asked) ?? { type: 0, end: 0 }, addresses);
    expect(answer.readUInt16BE(6)).toBe(0);
    expect(answer.length).toBe(asked.length);
  });
});
