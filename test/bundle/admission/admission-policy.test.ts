import { describe, expect, it } from 'vitest';
import {
  acceptedChannels,
  requireFresh,
  requireNewer,
  requireNotRecalled,
  requireSeqFloor,
  requireSiteMatch,
  requireTrustedChannel,
  type SitePolicy,
} from '../../../src/bundle/admission/admission-policy.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { MAX_SEQ_STEP } from '../../../src/core/limits.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import type { BundleImage } from '../../../src/format/bundled-content.ts';
import type { Trust } from '../../../src/format/trust.ts';
import type { SiteState } from '../../../src/site/ledger/site-state.ts';
import type { SignerVerdict } from '../../../src/trust/policy.ts';
import { expectCode } from '../../support/error.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const now = new Date('2026-11-21T10:00:00Z');
const id = 'a'.repeat(128);

/** What the policy looks at, and no more. */
function bundle(values: Partial<Bundle> = {}): Bundle {
  const whole = {
    name: 'chat',
    version: '1.0.0',
    channel: 'stable',
    seq: 5,
    images: [],
    ...values,
  };
  return whole as unknown as Bundle;
}

function trust(values: Partial<Trust> = {}): Trust {
  return { version: 3, ...values } as Trust;
}

/** Runs a check that says nothing when all is well, and asks for a code when it is not. */
async function judge(code: ErrorCode | undefined, run: () => void): Promise<void> {
  if (code === undefined) expect(run()).toBeUndefined();
  else await expectCode(run, code);
}

describe('when a site follows a channel', () => {
  it.each([
    [['stable'], undefined, ['stable']],
    [['stable'], 'stable', ['stable']],
    [['stable', 'lts'], 'candidate', ['stable', 'lts', 'candidate']],
  ])('accepts %j and %s, each named once', (channels, channel, accepted) => {
    const settings = channel === undefined ? { channels } : { channels, channel };
    expect(acceptedChannels(settings)).toEqual(accepted);
  });
});

describe('when the trust document names channels', () => {
  it.each<[string, readonly string[] | undefined, ErrorCode | undefined]>([
    ['none at all', undefined, undefined],
    ['this one', ['lts', 'stable'], undefined],
    ['others', ['lts', 'unstable'], 'release-foreign'],
    ['no channel', [], 'release-foreign'],
  ])('judges a bundle where they are %s', async (_, channels, code) => {
    const given = trust(channels === undefined ? {} : { channels });
    await judge(code, () => requireTrustedChannel(bundle(), given));
  });
});

describe('when the trust document sets a floor', () => {
  it.each<[string, Readonly<Record<string, number>> | undefined, ErrorCode | undefined]>([
    ['nothing', undefined, undefined],
    ['a lower number', { 'chat/stable': 4 }, undefined],
    ['this number', { 'chat/stable': 5 }, undefined],
    ['a higher number', { 'chat/stable': 6 }, 'release-rollback'],
    ['another product', { 'mail/stable': 6 }, undefined],
    ['another channel', { 'chat/lts': 6 }, undefined],
  ])('judges number 5 against %s', async (_, seqFloor, code) => {
    const given = trust(seqFloor === undefined ? {} : { seqFloor });
    await judge(code, () => requireSeqFloor(bundle(), given));
  });

  it('ignores inherited object properties as floors', () => {
    const seqFloor = Object.create({ 'chat/stable': 6 }) as Record<string, number>;
    expect(requireSeqFloor(bundle(), trust({ seqFloor }))).toBeUndefined();
  });
});

describe('when the trust document sets an age', () => {
  const signed = (days: number, counted = true, ms = 0): SignerVerdict =>
    ({ counted, signingTime: new Date(now.getTime() - days * DAY_MS - ms) }) as SignerVerdict;
  const limited = trust({ maxAgeDays: 30 });

  it.each<[string, readonly SignerVerdict[], ErrorCode | undefined]>([
    ['of 30 days to the millisecond', [signed(30)], undefined],
    ['of a millisecond more', [signed(30, true, 1)], 'release-expired'],
    ['of which the newest is young', [signed(400), signed(1), signed(400)], undefined],
    ['of which the young one does not count', [signed(31), signed(1, false)], 'release-expired'],
  ])('judges signatures %s', async (_, signers, code) => {
    await judge(code, () => requireFresh(signers, limited, now));
  });

  it('accepts any age if it sets none', () => {
    expect(requireFresh([signed(10_000)], trust(), now)).toBeUndefined();
  });
});

describe('when a site restricts channels and platforms', () => {
  const policy: SitePolicy = {
    channels: ['stable', 'lts'],
    platform: 'linux/amd64',
    state: { accepted: [], floor: '1970-01-01T00:00:00Z', recalls: [] },
  };
  const images = [{} as BundleImage];
  const arm = { images, platforms: ['linux/arm64'] } as const;

  it.each<[string, Partial<Bundle>, ErrorCode | undefined]>([
    ['of a channel of its own', {}, undefined],
    ['of another channel', { channel: 'unstable' }, 'release-foreign'],
    ['with images for it', { images, platforms: ['linux/arm64', 'linux/amd64'] }, undefined],
    ['with images for others', arm, 'release-foreign'],
    ['without images', { ...arm, images: [] }, undefined],
    ['that was promoted to a channel of its own', { channel: 'promoted' }, undefined],
    ['that was promoted to another channel', { channel: 'elsewhere' }, 'release-foreign'],
  ])('judges a bundle %s', async (_, values, code) => {
    const to = values.channel === 'promoted' ? 'lts' : 'unstable';
    const promoted = [
      { bundle: id, channel: to },
      { bundle: 'b'.repeat(128), channel: 'stable' },
    ];
    await judge(code, () => requireSiteMatch(bundle(values), id, { ...policy, promoted }));
  });
});

describe('when a site has accepted bundles before', () => {
  const state = (seq: number, values: object = {}): SiteState => ({
    accepted: [{ product: 'chat', channel: 'stable', seq, bundle: id, ...values }],
    floor: '1970-01-01T00:00:00Z',
    recalls: [],
    overrides: [],
    notices: [],
    promoted: [],
  });
  const other = 'b'.repeat(128);
  const nothing: SiteState = { ...state(1), accepted: [] };

  it.each<[string, SiteState, number, string, ErrorCode | undefined]>([
    ['the next number', state(5), 6, other, undefined],
    ['this very bundle', state(5), 5, id, undefined],
    ['this number again (attack 54)', state(5), 5, other, 'release-equivocation'],
    ['a lower number (attack 53)', state(5), 4, other, 'release-rollback'],
    ['the same bundle under a lower number', state(5), 4, id, 'release-rollback'],
    ['a higher number of another product', state(9, { product: 'x' }), 5, other, undefined],
    ['a higher number of another channel', state(9, { channel: 'x' }), 5, other, undefined],
    ['the first number at a new site', nothing, 1, other, undefined],
    ['no number at a new site', nothing, 0, other, undefined],
    ['the longest step', state(5), 5 + MAX_SEQ_STEP, other, undefined],
    ['a longer step (attack 55)', state(5), 6 + MAX_SEQ_STEP, other, 'release-leap'],
    ['the longest first step', nothing, MAX_SEQ_STEP, other, undefined],
    ['a longer first step (attack 55)', nothing, MAX_SEQ_STEP + 1, other, 'release-leap'],
  ])('judges %s', async (_, remembered, seq, bundleId, code) => {
    await judge(code, () => requireNewer(bundle({ seq }), bundleId, remembered));
  });
});

describe('when a release was recalled', () => {
  const recall = { release: 'chat', versions: '1.0.x', reason: 'it leaks' };

  it('rejects it by the history of the site, and by its own list', async () => {
    const error = await expectCode(
      () => requireNotRecalled(bundle(), [recall]),
      'release-recalled',
    );
    expect(error.found).toBe('it leaks');
    const own = bundle({ recalls: [recall] });
    await expectCode(() => requireNotRecalled(own, []), 'release-recalled');
    expect(requireNotRecalled(bundle(), [])).toBeUndefined();
    expect(requireNotRecalled(bundle({ version: '1.1.0' }), [recall])).toBeUndefined();
  });
});
