import { everyTarget } from '../target-suite.ts';
import { createMemoryTarget } from './memory-target.ts';

const health = { server: 'http', port: 'http', path: '/health', startupSeconds: 1 };

everyTarget('a target in memory, whose workloads have another shape,', health, () => {
  const target = createMemoryTarget();
  return {
    target,
    held: () => target.held(),
    watch: (hook) => {
      target.hook = (_, __, moment) => hook(moment);
    },
    spoil: (version) => {
      target.broken = (worker) => worker === `chat-server-${version.split('.')[0]}`;
    },
    tamper: (service) => target.replaceByHand(service),
    halt: (service) => target.deleteByHand(service),
    close: () => target.close(),
  };
});
