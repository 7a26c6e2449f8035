import { type ChartForms, chartKind } from './chart.ts';
import type { ContentKind } from './content-kind.ts';
import { type FileForms, fileKind } from './file.ts';
import { type ImageForms, imageKind } from './image.ts';
import { type ModelForms, modelKind } from './model.ts';
import { type ObjectsForms, objectsKind } from './objects.ts';

/** Every kind of content that a bundle can contain, in display order. */
export const kinds: readonly ContentKind[] = [
  modelKind,
  imageKind,
  fileKind,
  chartKind,
  objectsKind,
];

/** The types of each kind, by its section; optional for an optional kind. */
export interface FormsBySection {
  readonly models: ModelForms;
  readonly images: ImageForms;
  readonly files: FileForms;
  readonly charts?: ChartForms;
  readonly objects?: ObjectsForms;
}
