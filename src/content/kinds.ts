import type { ContentKind } from './content-kind.ts';
import { fileKind } from './file.ts';
import { imageKind } from './image.ts';
import { modelKind } from './model.ts';

/** Everything that a bundle can carry, in the order in which it is shown. */
export const kinds: readonly ContentKind[] = [modelKind, imageKind, fileKind];
