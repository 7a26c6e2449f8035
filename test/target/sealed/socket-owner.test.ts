import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { isEngineProgram, socketOwner } from '../../../src/target/sealed/socket-owner.ts';

describe('when a process of this host connects', () => {
  it('is found by the port of its socket', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(client, 'connect');
    const owner = socketOwner('tcp', '127.0.0.1', client.localPort ?? 0);
    expect(owner?.process).toMatch(/node/);
    expect(owner?.container).toBeUndefined();
    client.destroy();
    server.close();
  });

  it('is found by a datagram socket that is bound to no address', async () => {
    const socket = createSocket('udp4');
    socket.bind(0);
    await once(socket, 'listening');
    expect(socketOwner('udp', '127.0.0.1', socket.address().port)?.process).toMatch(/node/);
    socket.close();
  });

  it('is not found once it has closed its socket', () => {
    expect(socketOwner('tcp', '127.0.0.1', 1)).toBeUndefined();
  });
});

describe('when a process is seen in a container', () => {
  it.each([
    ['runc init', true],
    ['/usr/bin/conmon', true],
    ['/usr/bin/containerd-shim-runc-v2', true],
    ['libnetwork-setkey', true],
    ['exe', true],
    ['/app/runc-monitor', false],
    ['/bin/python3 /app/podman', false],
  ])('%j is of the engine: %j', (command, expected) => {
    expect(isEngineProgram(command)).toBe(expected);
  });
});
