/**
 * Keeps inference servers from sending telemetry and from waiting for a network that does not exist. The values of
 * a service take precedence.
 */
export const offlineEnvironment: Readonly<Record<string, string>> = {
  DO_NOT_TRACK: '1',
  HF_DATASETS_OFFLINE: '1',
  HF_HUB_DISABLE_TELEMETRY: '1',
  HF_HUB_DISABLE_UPDATE_CHECK: '1',
  HF_HUB_DISABLE_XET: '1',
  HF_HUB_OFFLINE: '1',
  NIM_TELEMETRY_MODE: '0',
  TRANSFORMERS_OFFLINE: '1',
  VLLM_NO_USAGE_STATS: '1',
};
