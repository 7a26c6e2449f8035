import { addConnectedCommands } from './commands-connected.ts';
import { addFleetCommands } from './commands-fleet.ts';
import { type CommandGroup, disconnectedGroups } from './program.ts';

/** All commands. The installer in a bundle never imports this file. */
export const everyGroup: readonly CommandGroup[] = [
  {
    title: 'Connected side:',
    add: [addConnectedCommands, addFleetCommands],
    topics: {
      findings: {
        show: async (rules, context) =>
          (await import('./commands/help-findings.ts')).helpFindings(rules, context),
        entries: async () => (await import('./commands/help-findings.ts')).findingNames(),
      },
    },
  },
  ...disconnectedGroups,
];
