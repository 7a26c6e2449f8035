import { type Command, Option } from 'commander';
import type { ConvertOptions, EvaluateOptions } from './commands/evaluate.ts';
import { addCommand, positiveInteger, type Run, repeatable, root } from './options.ts';

/** `stowage evaluate` and its subcommands. */
export function addEvaluateCommands(program: Command, run: Run): void {
  const evaluate = addCommand(
    program,
    'evaluate [release]',
    'ask installed releases the questions of their evaluations',
  )
    .enablePositionalOptions()
    .addOption(repeatable('--suite <name>', 'run only this evaluation (repeatable)'))
    .option(
      '--concurrency <number>',
      'requests at a time (default: as the evaluation says)',
      positiveInteger,
    )
    .option('--fresh', 'ask every question again, also those that a stopped run has answers of')
    .addOption(root())
    .action((release: string | undefined, options: EvaluateOptions) =>
      run(async (context) =>
        (await import('./commands/evaluate.ts')).evaluateCommand(release, options, context),
      ),
    );
  addCommand(evaluate, 'show [file]', 'list the results of this site, or verify and show one')
    .addOption(root())
    .action((file: string | undefined, options: { root?: string }) =>
      run(async (context) =>
        (await import('./commands/evaluate.ts')).evaluateShow(file, options, context),
      ),
    );
  addCommand(evaluate, 'compare <before> <after>', 'compare two results question by question')
    .option('--page <file>', 'also write the comparison as an HTML page')
    .action((before: string, after: string, options: { page?: string }) =>
      run(async (context) =>
        (await import('./commands/evaluate.ts')).evaluateCompare(
          { before, after },
          options,
          context,
        ),
      ),
    );
  addCommand(evaluate, 'convert <file>', 'convert questions of another tool into those of Stowage')
    .addOption(
      new Option('--format <name>', 'format of the file (default: by its first line)').choices([
        'lm-eval',
        'openai',
      ]),
    )
    .addOption(
      new Option('--expect <how>', 'how an ideal answer is expected')
        .choices(['equals', 'contains'])
        .default('contains'),
    )
    .requiredOption('-o, --output <file>', 'file to write')
    .action((file: string, options: ConvertOptions) =>
      run(async (context) =>
        (await import('./commands/evaluate.ts')).evaluateConvert(file, options, context),
      ),
    );
}
