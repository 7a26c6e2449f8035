import { fakeTarget } from '../../support/fake-engine.ts';
import { everyTarget } from '../target-suite.ts';

const health = { server: 'command', command: ['/bin/ready'], startupSeconds: 1 };

everyTarget('an engine of containers', health, () => {
  const target = fakeTarget();
  const { engine } = target;
  return {
    target,
    held: () => engine.state(),
    watch: (hook) => {
      engine.hook = (_, moment) => hook(moment);
    },
    spoil: (version) => {
      engine.inside = ({ image }) => ({
        status: image.tag.includes(`:${version}-`) ? 1 : 0,
        output: '',
      });
    },
    tamper: (name) => engine.changeByHand(name),
    halt: (name) => engine.stopByHand(name),
    close: async () => {},
  };
});
