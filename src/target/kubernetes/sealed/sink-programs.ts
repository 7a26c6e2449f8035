/** How long a connection may stay silent, and how long after its last bytes the sink waits for more, in milliseconds. */
const SILENT_MS = 3_000;
const QUIET_MS = 150;
/** How many first bytes of a connection or datagram are written down. */
const MAX_BYTES = 4_096;
const TTL_SECONDS = 60;
const NO_HTTP =
  'HTTP/1.1 503 Service Unavailable\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n';
/** A fatal handshake_failure (RFC 8446, section 6). */
const NO_TLS = '15030000020228';

/**
 * The ports of the sink, the first of which answers names: those of web servers, proxies, NTP, collectors of logs, metrics and
 * traces, databases and registries.
 */
export const sinkPorts: readonly number[] = [
  ...[
    53, 80, 443, 123, 22, 25, 514, 587, 853, 1883, 2049, 3000, 3128, 3306, 3478, 4222, 4317, 4318,
    5000,
  ],
  ...[
    5044, 5432, 5443, 5671, 5672, 6379, 6380, 6443, 6514, 6831, 8000, 8080, 8081, 8086, 8088, 8125,
  ],
  ...[
    8126, 8200, 8443, 8500, 8883, 8888, 9000, 9092, 9093, 9200, 9411, 9418, 11211, 11371, 24224,
    27017,
  ],
];

/** What the sink writes once it accepts connections, followed by its ports. */
export const READY = 'ready';
/** Its exit status if another program of the same pod is the sink. */
export const NOT_NEEDED = 0;

interface SinkProgram {
  readonly name: string;
  readonly command: readonly string[];
}

/**
 * The sink as text, for each program that an image of a release may have. Arguments: the IPv4 address that answers every name, the
 * names that get no address, and the ports, both lists with commas. It accepts every connection and datagram, writes one line for each
 * lookup and attempt, and opens no connection itself:
 *
 *     NUMBER MILLISECONDS dns|tcp|udp SOURCE SOURCE-PORT PORT HEX
 */
export const sinkPrograms: readonly SinkProgram[] = [
  {
    ...{ name: 'node' },
    command: [
      ...['node', '-e'],
      `
const net = require('net');
const dgram = require('dgram');
const { argv, exit } = require('process');
const [, own, hidden, list] = argv;
const ports = list.split(',').map(Number);
const peers = new Set(hidden.split(','));
let lines = 0;
const say = (kind, source, sourcePort, port, bytes) =>
  console.log([++lines, Date.now(), kind, source.replace('::ffff:', ''), sourcePort, port, bytes.subarray(0, ${MAX_BYTES}).toString('hex') || '-'].join(' '));
const answer = (query) => {
  if (query.length < 17 || (query[2] & 0xf8) !== 0 || query.readUInt16BE(4) !== 1) return undefined;
  const labels = [];
  let end = 12;
  while (end < query.length && query[end] !== 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + query[end]));
    end += query[end] + 1;
  }
  end += 5;
  if (end > query.length) return undefined;
  const peer = peers.has(labels.join('.').toLowerCase());
  const some = query.readUInt16BE(end - 4) === 1 && !peer;
  const head = Buffer.from(query.subarray(0, 12));
  head[2] = 0x84 | (query[2] & 1);
  head[3] = 0x80 | (peer ? 3 : 0);
  head.writeUInt16BE(some ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ${TTL_SECONDS}, 0, 4, ...own.split('.').map(Number)];
  return Buffer.concat([head, query.subarray(12, end), Buffer.from(some ? record : [])]);
};
const tcp = (port) => net.createServer((socket) => {
  const { remoteAddress = '', remotePort = 0 } = socket;
  let bytes = Buffer.alloc(0);
  let told = false;
  let timer;
  const tell = () => {
    if (told) return;
    told = true;
    clearTimeout(timer);
    if (port !== ports[0] || bytes.length > 0) say('tcp', remoteAddress, remotePort, port, bytes);
    socket.end(bytes[0] === 0x16 ? Buffer.from('${NO_TLS}', 'hex') : /^[A-Z]/.test(bytes.toString('latin1')) ? '${NO_HTTP}' : '');
    socket.destroySoon();
  };
  const silent = setTimeout(tell, ${SILENT_MS});
  socket.on('error', () => undefined).on('end', tell).on('close', () => {
    clearTimeout(silent);
    tell();
  });
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (port === ports[0] && bytes.length >= 2) {
      const query = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
      if (query.length < bytes.readUInt16BE(0)) return;
      bytes = bytes.subarray(2 + query.length);
      const reply = answer(query);
      if (reply === undefined) return socket.destroy();
      say('dns', remoteAddress, remotePort, port, query);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      return socket.write(Buffer.concat([length, reply]));
    }
    clearTimeout(timer);
    if (bytes.length >= ${MAX_BYTES}) tell();
    else timer = setTimeout(tell, ${QUIET_MS});
  });
});
const open = (port) => new Promise((resolve) => {
  const server = tcp(port).on('error', (error) => resolve(error.code));
  server.listen(port, '0.0.0.0', () => resolve('listening'));
});
const datagrams = (port) => new Promise((resolve) => {
  const socket = dgram.createSocket('udp4').on('error', (error) => resolve(error.code));
  socket.on('message', (bytes, { address, port: from }) => {
    const reply = port === ports[0] ? answer(bytes) : undefined;
    say(reply === undefined ? 'udp' : 'dns', address, from, port, bytes);
    if (reply !== undefined) socket.send(reply, from, address, () => undefined);
  });
  socket.bind(port, '0.0.0.0', () => resolve('listening'));
});
(async () => {
  const first = await open(ports[0]);
  if (first !== 'listening') {
    console.error('port ' + ports[0] + ': ' + first);
    exit(first === 'EADDRINUSE' ? ${NOT_NEEDED} : 1);
  }
  const opened = [ports[0]];
  for (const port of ports.slice(1)) if (await open(port) === 'listening') opened.push(port);
  for (const port of ports) await datagrams(port);
  console.log('${READY} ' + opened.join(','));
})();`,
    ],
  },
  {
    ...{ name: 'python3' },
    command: [
      ...['python3', '-u', '-c'],
      `
import errno, selectors, socket, struct, sys, time
own, peers, ports = sys.argv[1], sys.argv[2].split(','), [int(each) for each in sys.argv[3].split(',')]
lines = 0
def say(kind, source, port, data):
    global lines
    lines += 1
    print(lines, int(time.time() * 1000), kind, source[0], source[1], port, data[:${MAX_BYTES}].hex() or '-')
def answer(query):
    if len(query) < 17 or query[2] & 0xf8 or query[4:6] != b'\\0\\1': return None
    labels, end = [], 12
    while end < len(query) and query[end]:
        labels.append(query[end + 1:end + 1 + query[end]].decode('latin1'))
        end += query[end] + 1
    end += 5
    if end > len(query): return None
    peer = '.'.join(labels).lower() in peers
    some = query[end - 4:end - 2] == b'\\0\\1' and not peer
    head = query[:2] + bytes([0x84 | query[2] & 1, 0x80 | (3 if peer else 0)]) + struct.pack('>HHHH', 1, 1 if some else 0, 0, 0)
    record = struct.pack('>HHHIH', 0xc00c, 1, 1, ${TTL_SECONDS}, 4) + socket.inet_aton(own)
    return head + query[12:end] + (record if some else b'')
watched = selectors.DefaultSelector()
opened = []
for number, port in enumerate(ports):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(('0.0.0.0', port))
        server.listen(64)
    except OSError as error:
        if number > 0: continue
        print('port', port, error, file=sys.stderr)
        sys.exit(${NOT_NEEDED} if error.errno == errno.EADDRINUSE else 1)
    server.setblocking(False)
    watched.register(server, selectors.EVENT_READ, ('accept', port))
    opened.append(str(port))
for port in ports:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: datagrams.bind(('0.0.0.0', port))
    except OSError: continue
    datagrams.setblocking(False)
    watched.register(datagrams, selectors.EVENT_READ, ('datagram', port))
print('${READY}', ','.join(opened))
connections = {}
def tell(client):
    source, port, _, _, data = connections.pop(client)
    if port != ports[0] or data: say('tcp', source, port, data)
    watched.unregister(client)
    try:
        if data[:1] == b'\\x16': client.send(bytes.fromhex('${NO_TLS}'))
        elif b'A' <= data[:1] <= b'Z': client.send(b'${NO_HTTP}')
        client.shutdown(socket.SHUT_WR)
    except OSError: pass
    client.close()
while True:
    for key, _ in watched.select(0.05):
        kind, port = key.data
        try:
            if kind == 'accept':
                client, source = key.fileobj.accept()
                client.setblocking(False)
                now = time.monotonic()
                connections[client] = [source, port, now, now, b'']
                watched.register(client, selectors.EVENT_READ, ('data', port))
            elif kind == 'datagram':
                data, source = key.fileobj.recvfrom(65536)
                reply = answer(data) if port == ports[0] else None
                say('udp' if reply is None else 'dns', source, port, data)
                if reply is not None: key.fileobj.sendto(reply, source)
            elif key.fileobj in connections:
                client = key.fileobj
                connection = connections[client]
                data = client.recv(65536)
                connection[3] = time.monotonic()
                connection[4] += data
                queue = connection[4]
                if not data or len(queue) >= ${MAX_BYTES}: tell(client)
                elif port == ports[0] and len(queue) >= 2 and len(queue) >= 2 + struct.unpack('>H', queue[:2])[0]:
                    query = queue[2:2 + struct.unpack('>H', queue[:2])[0]]
                    connection[4] = queue[2 + len(query):]
                    reply = answer(query)
                    if reply is None: tell(client)
                    else:
                        say('dns', connection[0], port, query)
                        client.send(struct.pack('>H', len(reply)) + reply)
        except BlockingIOError: pass
        except OSError:
            if key.fileobj in connections: tell(key.fileobj)
    now = time.monotonic()
    for client, (source, port, began, last, data) in list(connections.items()):
        quiet = data and port != ports[0] and now - last >= ${QUIET_MS / 1000}
        if quiet or now - began >= ${SILENT_MS / 1000}: tell(client)`,
    ],
  },
  {
    ...{ name: 'perl' },
    command: [
      ...['perl', '-e'],
      `
use IO::Select; use IO::Socket::INET; use Socket; use Errno;
$| = 1; $SIG{PIPE} = 'IGNORE';
my ($own, $hidden, $list) = @ARGV;
my @ports = split /,/, $list;
my %peers = map { $_ => 1 } split /,/, $hidden;
my ($lines, %about, %waiting, @opened) = (0);
my $watched = IO::Select->new;
sub say_line {
  my ($kind, $source, $from, $port, $data) = @_;
  my $hex = unpack('H*', substr($data, 0, ${MAX_BYTES}));
  print join(' ', ++$lines, time() * 1000, $kind, $source, $from, $port, $hex eq '' ? '-' : $hex), "\\n";
}
sub answer {
  my ($query) = @_;
  return undef if length $query < 17 || ord(substr $query, 2, 1) & 0xf8 || unpack('n', substr $query, 4, 2) != 1;
  my ($end, @labels) = (12);
  while ($end < length $query && ord substr $query, $end, 1) {
    my $length = ord substr $query, $end, 1;
    push @labels, substr $query, $end + 1, $length;
    $end += $length + 1;
  }
  $end += 5;
  return undef if $end > length $query;
  my $peer = $peers{lc join '.', @labels};
  my $some = unpack('n', substr $query, $end - 4, 2) == 1 && !$peer;
  my $head = substr($query, 0, 2) . chr(0x84 | ord(substr $query, 2, 1) & 1) . chr(0x80 | ($peer ? 3 : 0)) . pack('n4', 1, $some ? 1 : 0, 0, 0);
  my $record = pack('nnnNn', 0xc00c, 1, 1, ${TTL_SECONDS}, 4) . pack('C4', split /\\./, $own);
  return $head . substr($query, 12, $end - 12) . ($some ? $record : '');
}
for my $port (@ports) {
  my $server = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $port, Listen => 64, ReuseAddr => 1);
  if (!$server) {
    next if $port != $ports[0];
    my $used = $!{EADDRINUSE};
    print STDERR "port $port: $!\\n";
    exit($used ? ${NOT_NEEDED} : 1);
  }
  $about{$server} = ['accept', $port];
  $watched->add($server);
  push @opened, $port;
}
for my $port (@ports) {
  my $datagrams = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $port, Proto => 'udp') or next;
  $about{$datagrams} = ['datagram', $port];
  $watched->add($datagrams);
}
print '${READY} ', join(',', @opened), "\\n";
sub tell_of {
  my ($client) = @_;
  my ($source, $from, $port, $began, $last, $data) = @{delete $waiting{$client}}[0 .. 5];
  say_line('tcp', $source, $from, $port, $data) if $port != $ports[0] || $data ne '';
  $watched->remove($client);
  delete $about{$client};
  if ($data =~ /^\\x16/) { syswrite $client, pack('H*', '${NO_TLS}') }
  elsif ($data =~ /^[A-Z]/) { syswrite $client, "${NO_HTTP}" }
  close $client;
}
while (1) {
  for my $socket ($watched->can_read(0.05)) {
    my ($kind, $port) = @{$about{$socket} || next};
    if ($kind eq 'accept') {
      my $client = $socket->accept or next;
      $about{$client} = ['data', $port];
      $waiting{$client} = [$client->peerhost || '', $client->peerport || 0, $port, 0, 0, '', $client];
      $watched->add($client);
    } elsif ($kind eq 'datagram') {
      my $from = recv($socket, my $data, 65536, 0) // next;
      my ($port_from, $address) = sockaddr_in($from);
      my $reply = $port == $ports[0] ? answer($data) : undef;
      say_line(defined $reply ? 'dns' : 'udp', inet_ntoa($address), $port_from, $port, $data);
      send($socket, $reply, 0, $from) if defined $reply;
    } else {
      my $connection = $waiting{$socket} or next;
      my $count = sysread $socket, my $data, 65536;
      $connection->[4] = 0;
      $connection->[5] .= $data // '';
      my $queue = $connection->[5];
      if (!$count || length $queue >= ${MAX_BYTES}) { tell_of($socket) }
      elsif ($port == $ports[0] && length $queue >= 2 && length $queue >= 2 + unpack('n', $queue)) {
        my $query = substr $queue, 2, unpack('n', $queue);
        $connection->[5] = substr $queue, 2 + length $query;
        my $reply = answer($query);
        if (defined $reply) {
          say_line('dns', @$connection[0, 1], $port, $query);
          syswrite $socket, pack('n', length $reply) . $reply;
        } else { tell_of($socket) }
      }
    }
  }
  # Of each connection, the rounds of 50 ms since it began and since its last bytes.
  for my $connection (my @all = values %waiting) {
    my (undef, undef, $port, undef, undef, $data, $client) = @$connection;
    $connection->[3] += 1;
    $connection->[4] += 1;
    my $quiet = $data ne '' && $port != $ports[0] && $connection->[4] > ${QUIET_MS / 50};
    tell_of($client) if $quiet || $connection->[3] > ${SILENT_MS / 50};
  }
}`,
    ],
  },
];
