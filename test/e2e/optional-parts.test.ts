import { isolatedEngine } from '../lab/engine.ts';
import { optionalPartsSuite } from './optional-parts-suite.ts';

optionalPartsSuite('podman', async (folder) => {
  const { env, podman, destroy } = isolatedEngine(folder);
  return {
    env,
    destroy,
    async answer(port) {
      const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      return (await response?.text())?.trim();
    },
    async containers() {
      const names = await podman('ps', '--all', '--format', '{{.Names}}');
      return names.split('\n').filter((each) => each !== '');
    },
  };
});
