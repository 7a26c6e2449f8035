/** The state of one container. */
export interface ContainerState {
  readonly name: string;
  readonly running: boolean;
  readonly waiting?: { readonly reason: string; readonly message: string };
  readonly ended?: { readonly exitCode: number; readonly reason: string; readonly message: string };
}

/** What a probe does inside an image of a release: that image may have any of these programs, or none. */
type Task = 'list' | 'listen' | 'connect';

/** The folder that {@link Task} `list` reads. Its exit status is 0 if the folder has entries, 3 if it is empty. */
export const LISTED = '/probe';
export const EMPTY = 3;
/**
 * `connect HOST PORT SECONDS` tries again and again, and writes `connected` once. Its exit status is 5 if connections fail after
 * one that did not.
 */
export const CONNECTED = 'connected';
export const BLOCKED = 5;

interface Program {
  readonly name: string;
  /** Where its pods listen. */
  readonly port: number;
  readonly command: readonly string[];
  readonly scripts: Readonly<Record<Task, string>>;
}

export const programs: readonly Program[] = [
  {
    ...{ name: 'node', port: 7001, command: ['node', '-e'] },
    scripts: {
      list: `require('process').exit(require('fs').readdirSync('${LISTED}').length > 0 ? 0 : ${EMPTY})`,
      listen: `require('net').createServer((s) => s.end()).listen(Number(require('process').argv[1]))`,
      connect: `
const net = require('net');
const { argv, exit } = require('process');
const [, host, port, seconds] = argv;
const end = Date.now() + seconds * 1000;
let up = false;
let failed = 0;
const once = () => new Promise((resolve) => {
  const socket = net.connect({ host, port: Number(port), timeout: 1500 });
  const done = (result) => { socket.destroy(); resolve(result); };
  socket.on('connect', () => done(true)).on('timeout', () => done(false)).on('error', () => done(false));
});
(async () => {
  while (Date.now() < end) {
    if (await once()) {
      if (!up) console.log('${CONNECTED}');
      up = true;
      failed = 0;
    } else if (up && ++failed >= 3) exit(${BLOCKED});
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
})();`,
    },
  },
  {
    ...{ name: 'python3', port: 7002, command: ['python3', '-c'] },
    scripts: {
      list: `import os, sys\nsys.exit(0 if os.listdir('${LISTED}') else ${EMPTY})`,
      listen: `
import socket, sys
server = socket.create_server(('', int(sys.argv[1])))
while True:
    server.accept()[0].close()`,
      connect: `
import socket, sys, time
host, port, end = sys.argv[1], int(sys.argv[2]), time.time() + float(sys.argv[3])
up, failed = False, 0
while time.time() < end:
    try:
        socket.create_connection((host, port), 1.5).close()
        if not up: print('${CONNECTED}', flush=True)
        up, failed = True, 0
    except OSError:
        failed += 1
        if up and failed >= 3: sys.exit(${BLOCKED})
    time.sleep(0.5)`,
    },
  },
  {
    ...{ name: 'perl', port: 7003, command: ['perl', '-e'] },
    scripts: {
      list: `opendir(my $folder, '${LISTED}') or exit 4; exit((grep { !/^\\.\\.?$/ } readdir $folder) ? 0 : ${EMPTY});`,
      listen: `
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 5, ReuseAddr => 1) or exit 4;
while (my $client = $server->accept) { close $client }`,
      connect: `
use IO::Socket::INET;
$| = 1;
my ($host, $port, $end, $up, $failed) = ($ARGV[0], $ARGV[1], time + $ARGV[2], 0, 0);
while (time < $end) {
  if (my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 1.5)) {
    close $socket;
    print "${CONNECTED}\\n" unless $up;
    ($up, $failed) = (1, 0);
  } elsif ($up) {
    exit ${BLOCKED} if ++$failed >= 3;
  }
  select(undef, undef, undef, 0.5);
}`,
    },
  },
];

/** A container for each program, so that one pod finds out which of them an image has. */
export function containersFor(
  task: Task,
  image: string,
  args: (program: Program) => readonly string[],
): { name: string; image: string; command: string[] }[] {
  return programs.map((program) => {
    const { name, command, scripts } = program;
    return { name, image, command: [...command, scripts[task], ...args(program)] };
  });
}

/** Whether the image has no such program: the container never ran. */
export function isAbsent({ waiting, ended }: ContainerState): boolean {
  const { reason, message } = ended ?? waiting ?? { reason: '', message: '' };
  return (
    /StartError|RunContainerError|CreateContainerError|ContainerCannotRun/.test(reason) &&
    /no such file|not found|executable file/.test(message)
  );
}
