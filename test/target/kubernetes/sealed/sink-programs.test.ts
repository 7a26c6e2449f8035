import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { sinkPrograms } from '../../../../src/target/kubernetes/sealed/sink-programs.ts';
import { readQuestion, writeAnswer } from '../../../../src/target/sealed/dns-message.ts';
import { freePort } from '../../../lab/registry.ts';

const freePorts = (count: number): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, () => freePort()));
const OWN = '127.0.0.1';
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Started {
  /** The first line with this text. */
  line(text: string): Promise<string>;
  status(): number | null;
}

async function start(name: string, ports: readonly number[]): Promise<Started> {
  const program = sinkPrograms.find((each) => each.name === name);
  const [command = '', ...args] = program?.command ?? [];
  const child = spawn(command, [...args, OWN, 'peer', ports.join(',')], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let notes = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    notes += text;
  });
  const closed = once(child, 'close');
  ends.push(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  return {
    status: () => child.exitCode,
    async line(text) {
      for (let tries = 0; tries < 500; tries++) {
        const found = said.split('\n').find((each) => each.includes(text));
        if (found !== undefined && said.includes(`${found}\n`)) return found;
        if (child.exitCode !== null) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`no line with ${text}: ${said}${notes}`);
    },
  };
}

/** A query for the address of a name. */
function query(name: string, type = 1): Buffer {
  const labels = name.split('.').flatMap((each) => [each.length, ...Buffer.from(each)]);
  return Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1]);
}

async function lookup(message: Buffer, port: number): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.send(message, port, OWN);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return answer;
}

async function exchange(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, OWN);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

describe.each(sinkPrograms.map(({ name }) => name))('when the sink runs with %s', (name) => {
  it('answers every name with its address, and writes down who asked', async () => {
    const ports = await freePorts(2);
    const sink = await start(name, ports);
    await sink.line(`ready ${ports.join(',')}`);
    const asked = query('Stats.vllm.ai');
    const question = readQuestion(asked);
    expect(question?.name).toBe('stats.vllm.ai');
    const expected = writeAnswer(asked, question as NonNullable<typeof question>, {
      a: Uint8Array.from([127, 0, 0, 1]),
    });
    expect(await lookup(asked, ports[0] ?? 0)).toEqual(expected);
    expect(await sink.line(' dns ')).toMatch(
      new RegExp(`^1 [0-9]{13} dns 127\\.0\\.0\\.1 [0-9]+ ${ports[0]} ${asked.toString('hex')}$`),
    );
  });

  it('has no address of IPv6, and no answer for the services of the release', async () => {
    const ports = await freePorts(1);
    const sink = await start(name, ports);
    await sink.line('ready');
    const six = await lookup(query('a.example', 28), ports[0] ?? 0);
    expect([six[3], six.readUInt16BE(6)]).toEqual([0x80, 0]);
    const peer = await lookup(query('PEER'), ports[0] ?? 0);
    expect([peer[3], peer.readUInt16BE(6)]).toEqual([0x83, 0]);
  });

  it('answers lookups by TCP', async () => {
    const ports = await freePorts(1);
    const sink = await start(name, ports);
    await sink.line('ready');
    const asked = query('a.example');
    const socket = connect(ports[0] ?? 0, OWN);
    socket.write(Buffer.concat([Buffer.from([0, asked.length]), asked]));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(answer.readUInt16BE(0)).toBe(answer.length - 2);
    expect([...answer.subarray(-4)]).toEqual([127, 0, 0, 1]);
    expect(await sink.line(' dns ')).toContain(asked.toString('hex'));
  });

  it('refuses HTTP with 503 and TLS with an alert, after it read what they tell', async () => {
    const ports = await freePorts(2);
    const sink = await start(name, ports);
    await sink.line('ready');
    const request = Buffer.from('GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n');
    expect(await exchange(ports[1] ?? 0, request)).toContain('503 Service Unavailable');
    expect(await sink.line(' tcp ')).toContain(`${ports[1]} ${request.toString('hex')}`);
    const hello = Buffer.from([0x16, 3, 1, 0, 1, 1]);
    expect(await exchange(ports[1] ?? 0, hello)).toBe('\x15\x03\x00\x00\x02\x02\x28');
    expect(await sink.line(hello.toString('hex'))).toMatch(/^2 /);
  });

  it('writes down a connection that says nothing, and a datagram', async () => {
    const ports = await freePorts(2);
    const sink = await start(name, ports);
    await sink.line('ready');
    expect(await exchange(ports[1] ?? 0, Buffer.alloc(0))).toBe('');
    expect(await sink.line(' tcp ')).toMatch(/ -$/);
    const socket = createSocket('udp4');
    socket.send(Buffer.from('hello'), ports[1] ?? 0, OWN, () => socket.close());
    expect(await sink.line(' udp ')).toMatch(/ 68656c6c6f$/);
  });

  it('survives what is no lookup, and clients that end at once', async () => {
    const ports = await freePorts(2);
    const sink = await start(name, ports);
    await sink.line('ready');
    const junk = [
      Buffer.alloc(0),
      Buffer.alloc(16),
      Buffer.alloc(40, 0xff),
      query('a').subarray(0, 15),
    ];
    const socket = createSocket('udp4');
    for (const each of junk) socket.send(each, ports[0] ?? 0, OWN);
    for (const port of ports) {
      const client = connect(port, OWN);
      await once(client, 'connect');
      client.resetAndDestroy();
    }
    await exchange(ports[0] ?? 0, Buffer.concat([Buffer.from([0, 3]), Buffer.from('abc')]));
    socket.close();
    expect((await lookup(query('b.example'), ports[0] ?? 0)).readUInt16BE(6)).toBe(1);
  });

  it('leaves the ports to another program of the same pod', async () => {
    const ports = await freePorts(1);
    await (await start('node', ports)).line('ready');
    const second = await start(name, ports);
    for (let tries = 0; tries < 200 && second.status() === null; tries++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(second.status()).toBe(0);
  });
});
