import type { ContentKind } from './content-kind.ts';
import { type FileForms, fileKind } from './file.ts';
import { type ImageForms, imageKind } from './image.ts';
import { type ModelForms, modelKind } from './model.ts';

/** Everything that a bundle can carry, in the order in which it is shown. */
export const kinds: readonly ContentKind[] = [modelKind, imageKind, fileKind];

/** The types of each kind, by its section. */
export interface FormsBySection {
  readonly models: ModelForms;
  readonly images: ImageForms;
  readonly files: FileForms;
}
