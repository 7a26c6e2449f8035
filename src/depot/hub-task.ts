/** The tasks of the Hub: the tag of a model that is one of these is its `pipeline_tag`. */
const TASKS: ReadonlySet<string> = new Set([
  ...['text-generation', 'text-classification', 'token-classification', 'question-answering'],
  ...['table-question-answering', 'zero-shot-classification', 'translation', 'summarization'],
  ...['feature-extraction', 'fill-mask', 'sentence-similarity', 'text-ranking'],
  ...['text-to-speech', 'text-to-audio', 'automatic-speech-recognition', 'audio-to-audio'],
  ...['audio-classification', 'voice-activity-detection', 'depth-estimation', 'object-detection'],
  ...['image-classification', 'image-segmentation', 'text-to-image', 'image-to-text'],
  ...['image-to-image', 'image-to-video', 'unconditional-image-generation', 'text-to-video'],
  ...['video-classification', 'zero-shot-image-classification', 'zero-shot-object-detection'],
  ...['mask-generation', 'text-to-3d', 'image-to-3d', 'image-feature-extraction'],
  ...['keypoint-detection', 'audio-text-to-text', 'image-text-to-text', 'any-to-any'],
  ...['visual-question-answering', 'document-question-answering', 'video-text-to-text'],
  ...['visual-document-retrieval', 'tabular-classification', 'tabular-regression'],
  ...['time-series-forecasting', 'reinforcement-learning', 'robotics', 'graph-ml'],
]);

const LIBRARIES: ReadonlySet<string> = new Set([
  ...['transformers', 'sentence-transformers', 'diffusers', 'gguf', 'peft', 'timm', 'mlx', 'nemo'],
]);

/** The fields that the Hub derives from these tags. */
export function taskOf(tags: readonly string[]): { pipeline_tag?: string; library_name?: string } {
  const task = tags.find((tag) => TASKS.has(tag));
  const library = tags.find((tag) => LIBRARIES.has(tag));
  return {
    ...(task === undefined ? {} : { pipeline_tag: task }),
    ...(library === undefined ? {} : { library_name: library }),
  };
}
