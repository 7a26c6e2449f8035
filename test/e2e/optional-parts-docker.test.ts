import { isolatedDocker } from '../lab/docker.ts';
import { optionalPartsSuite } from './optional-parts-suite.ts';

optionalPartsSuite('docker', async (folder) => {
  const { env, gap, docker, destroy } = await isolatedDocker(folder);
  return {
    // The program runs beside the daemon: its depot and the ports of containers are on the loopback of that network.
    ...{ env, through: gap.enter, destroy },
    async answer(port) {
      const args = ['--noproxy', '*', '-sS', '--max-time', '5', `http://127.0.0.1:${port}/`];
      const { status, stdout } = await gap.run('curl', args);
      return status === 0 ? stdout.trim() : undefined;
    },
    async containers() {
      const names = await docker('ps', '--all', '--format', '{{.Names}}');
      return names.split('\n').filter((each) => each !== '');
    },
  };
});
