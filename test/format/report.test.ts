import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../src/format/document.ts';
import { reportKind } from '../../src/format/report.ts';
import { sampleFailure, sampleReport } from '../bundle/report/sample.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';

describe('when a report is read', () => {
  it('accepts one that passed, and one that failed before anything was known', () => {
    expect(checkDocument(reportKind, sampleReport())).toEqual(sampleReport());
    const { id: _, bundle: __, contents: ___, findings: ____, ...rest } = sampleReport();
    const failed = { ...rest, outcome: 'failed', failure: sampleFailure, signatures: [] };
    expect(checkDocument(reportKind, failed)).toEqual(failed);
  });

  it.each<[string, string, unknown]>([
    ['an unknown field', 'verdict', 'good'],
    ['an unknown field of a signer', 'signatures.0.signer.trusted', true],
    ['passed with a failure', 'failure', sampleFailure],
    ['failed without one', 'outcome', 'failed'],
    ['passed with a step that failed', 'steps.0.outcome', 'failed'],
    ['passed with no signature that counts', 'signatures.0.counted', false],
    ['passed without contents', 'contents', undefined],
    ['passed without an id', 'id', undefined],
    ['nothing that was not checked', 'unchecked', []],
    ['a fingerprint in upper case', 'trust.fingerprint', 'C3'.repeat(32)],
    ['a short digest of the program', 'tool.sha512', 'ab'],
    ['a path that leaves its folder', 'contents.models.0.files.0.path', '../x'],
    ['a control character', 'trust.subject', 'a\u001b[2J'],
    ['a time that goes backwards', 'milliseconds', -1],
    ['an outcome between', 'steps.0.outcome', 'skipped'],
  ])('refuses %s', async (_, path, value) => {
    await expectCode(
      () => checkDocument(reportKind, bend(sampleReport() as never, path, value)),
      'document-invalid',
    );
  });
});
