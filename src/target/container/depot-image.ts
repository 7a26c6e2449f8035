import { digestHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { RenderedImage } from '../../format/containers.ts';

/** Whether a pull from a depot left this name, in this run or in one that was killed. */
export function isDepotName(name: string, image: RenderedImage): boolean {
  return (
    /^127\.0\.0\.1:[0-9]+\//.test(name) && name.endsWith(`/${image.repository}@${image.manifest}`)
  );
}

/** An engine pulled a reference, and has another image than the signed one. @param engine its program */
export function unexpectedImage(
  engine: string,
  image: RenderedImage,
  reference: string,
): StowageError {
  return new StowageError(
    'engine-failed',
    `${engine} created an unexpected image from ${reference}`,
    {
      expected: `an image with the id ${digestHex(image.config)}`,
      found: 'no such image after the pull',
      hint: `run "${engine} images --digests" to inspect it; if other images of the release load, ask the release engineer for a corrected bundle`,
    },
  );
}
