/** What a connection is for, and the setting that stops it. */
export interface Purpose {
  readonly purpose: string;
  readonly remedy: string;
}

interface Known extends Purpose {
  /** Names, with all names below those that begin with a dot. */
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  readonly ports?: readonly number[];
  readonly path?: RegExp;
}

const HUB = ['.huggingface.co', '.hf.co', '.xethub.hf.co'] as const;

/** The first that applies counts. Sources: the documentation of each library, November 2026. */
const known: readonly Known[] = [
  {
    names: HUB,
    path: /\/api\/telemetry/,
    purpose: 'usage statistics of the Hugging Face libraries',
    remedy: 'HF_HUB_DISABLE_TELEMETRY=1, or HF_HUB_OFFLINE=1',
  },
  {
    names: HUB,
    purpose: 'Hugging Face Hub: files and facts of models, tokenizers and datasets',
    remedy: 'HF_HUB_OFFLINE=1, and a path in place of the name of the model',
  },
  {
    names: ['.vllm.ai'],
    purpose: 'usage statistics of vLLM',
    remedy: 'VLLM_NO_USAGE_STATS=1, or DO_NOT_TRACK=1',
  },
  {
    names: ['openaipublic.blob.core.windows.net'],
    purpose: 'vocabularies of tiktoken',
    remedy: 'TIKTOKEN_CACHE_DIR or TIKTOKEN_ENCODINGS_BASE with a folder that has the files',
  },
  {
    names: ['.ngc.nvidia.com', '.nvcr.io', 'authn.nvidia.com'],
    purpose: 'NVIDIA NGC: models and profiles of NIM',
    remedy: 'NIM_CACHE_PATH with a complete cache, and no NGC_API_KEY',
  },
  {
    names: ['.modelscope.cn'],
    purpose: 'ModelScope: files of models',
    remedy: 'VLLM_USE_MODELSCOPE=false, and a path in place of the name of the model',
  },
  {
    names: ['.ollama.com', '.ollama.ai'],
    purpose: 'models and updates of Ollama',
    remedy: 'a path in place of the name of the model',
  },
  {
    names: ['usage-stats.ray.io'],
    purpose: 'usage statistics of Ray',
    remedy: 'RAY_USAGE_STATS_ENABLED=0',
  },
  {
    names: ['.gradio.app', '.gradio.live'],
    purpose: 'usage statistics and tunnels of Gradio',
    remedy: 'GRADIO_ANALYTICS_ENABLED=False, and share=False',
  },
  {
    names: ['.wandb.ai'],
    purpose: 'experiments of Weights & Biases',
    remedy: 'WANDB_MODE=disabled',
  },
  {
    names: ['.posthog.com'],
    purpose: 'telemetry of a library (PostHog)',
    remedy: 'DO_NOT_TRACK=1 or ANONYMIZED_TELEMETRY=False, as the library documents it',
  },
  {
    names: ['.sentry.io'],
    purpose: 'error reports (Sentry)',
    remedy: 'SENTRY_DSN empty',
  },
  {
    names: ['.segment.io', '.amplitude.com', '.mixpanel.com', '.google-analytics.com', '.scarf.sh'],
    purpose: 'telemetry of a library',
    remedy: 'DO_NOT_TRACK=1, or what the library documents',
  },
  {
    names: ['.events.data.microsoft.com', 'dc.services.visualstudio.com'],
    purpose: 'telemetry of .NET or ONNX Runtime',
    remedy: 'DOTNET_CLI_TELEMETRY_OPTOUT=1, or onnxruntime.disable_telemetry_events()',
  },
  {
    ports: [4317, 4318],
    purpose: 'traces and metrics (OpenTelemetry)',
    remedy: 'OTEL_SDK_DISABLED=true, or the address of a collector of the release',
  },
  {
    names: ['pypi.org', 'files.pythonhosted.org'],
    purpose: 'packages or an update check of pip',
    remedy: 'packages in the image, PIP_NO_INDEX=1 and PIP_DISABLE_PIP_VERSION_CHECK=1',
  },
  {
    names: ['registry.npmjs.org'],
    purpose: 'packages or an update check of npm',
    remedy: 'packages in the image, and NO_UPDATE_NOTIFIER=1',
  },
  {
    names: ['proxy.golang.org', 'sum.golang.org'],
    purpose: 'modules of Go',
    remedy: 'GOPROXY=off and GOTOOLCHAIN=local',
  },
  {
    names: ['.github.com', '.githubusercontent.com'],
    purpose: 'a download or an update check at GitHub',
    remedy: 'what is downloaded in the image, and the update check off',
  },
  {
    addresses: ['169.254.169.254', 'fd00:ec2::254'],
    purpose: 'the metadata of a cloud instance',
    remedy: 'AWS_EC2_METADATA_DISABLED=true, NO_GCE_CHECK=true',
  },
  {
    names: ['metadata.google.internal'],
    purpose: 'the metadata of a cloud instance',
    remedy: 'NO_GCE_CHECK=true',
  },
  {
    ports: [123],
    purpose: 'the time (NTP)',
    remedy: 'no NTP client in the image: the host sets the clock',
  },
  {
    names: ['.pool.ntp.org', 'time.cloudflare.com', 'time.google.com'],
    purpose: 'the time (NTP)',
    remedy: 'no NTP client in the image: the host sets the clock',
  },
  {
    ports: [53, 853],
    purpose: 'names, from a resolver of its own (DNS)',
    remedy: 'the resolver of the container, in /etc/resolv.conf',
  },
];

/** What an attempt was for, as far as its destination tells. */
export function purposeOf({
  name,
  address,
  port,
  paths = [],
}: {
  readonly name?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly paths?: readonly string[];
}): Purpose | undefined {
  const found = known.find((each) => {
    if (each.names !== undefined && !each.names.some((one) => isBelow(name, one))) return false;
    if (each.addresses?.includes(address ?? '') === false) return false;
    if (each.ports?.includes(port ?? 0) === false) return false;
    return each.path === undefined || paths.some((path) => each.path?.test(path));
  });
  return found && { purpose: found.purpose, remedy: found.remedy };
}

function isBelow(name: string | undefined, suffix: string): boolean {
  if (name === undefined) return false;
  return suffix.startsWith('.')
    ? name.endsWith(suffix) || name === suffix.slice(1)
    : name === suffix;
}
