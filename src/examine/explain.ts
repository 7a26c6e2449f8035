import type { Rule } from '../format/finding.ts';

/** Why a rule matters, in one sentence, and what to do about it. */
export interface Explanation {
  readonly why: string;
  readonly remedy: string;
}

const OTHER_FORMAT = 'exclude the file, or use a repository that provides safetensors or GGUF';
const NEW_DOWNLOAD =
  'use the file from another commit or repository, and report the problem to the publisher';
const NEW_SECRET =
  'remove it from the files to be packed, and replace it: assume that it was disclosed';
const ADD_ASSET =
  'add the lines that lock --explain prints to the manifest, or configure the service so that it does not need them';

const explain = (why: string, remedy: string): Explanation => ({ why, remedy });
const pickle = (why: string): Explanation => explain(why, OTHER_FORMAT);
const broken = (why: string): Explanation => explain(why, NEW_DOWNLOAD);
const secret = (what: string): Explanation =>
  explain(`everyone who handles the bundle can read ${what} in it`, NEW_SECRET);
const asset = (why: string): Explanation => explain(why, ADD_ASSET);

export const explanations: Readonly<Record<Rule, Explanation>> = {
  'file-pointer': explain(
    'the content was never downloaded: the server would find a few lines of text instead of the file',
    'fetch the file itself: git lfs pull or git annex get in a clone, lfs: true for a git source; on the Hub, ask the publisher to upload it',
  ),
  'file-error-page': explain(
    'a download failed, and the answer of the server was saved under the name of the file',
    'download the file again and check its size; signing in may be required',
  ),
  'file-empty': explain(
    'the download or the upload failed, and the server cannot load an empty file',
    'download the file again, or exclude it if the server does not need it',
  ),
  'file-cut': explain(
    'the file is truncated: the server would fail to load it at the site',
    'download the file again and compare its size with that at its source',
  ),

  pickle: pickle('loading a pickle runs the program that it contains'),
  'pickle-global': pickle('the pickle imports code that weights do not need, and can run it'),
  'pickle-global-unknown': pickle('what the pickle imports is decided only when it runs'),
  'pickle-extension-code': pickle(
    'an extension code imports something that is defined outside the pickle',
  ),
  'pickle-call': pickle(
    'the pickle calls or changes an object that cannot be checked against a list',
  ),
  'pickle-persistent-id': pickle(
    'the pickle asks its loader for an object that is not in the file',
  ),
  'pickle-broken': pickle(
    'a truncated pickle runs up to the point where it ends, while scanners skip it',
  ),
  'pickle-trailing': pickle(
    'a program that reads only the first pickle does not see the bytes after it',
  ),
  'npy-malformed': broken('different programs read different content from it'),

  'archive-opaque': explain(
    'its content was not examined',
    'exclude it, ask the publisher for the files without an archive, or allow it by name with a reason',
  ),
  'archive-too-large': explain(
    'its content is too large for memory and was not examined',
    'exclude it, ask the publisher for the files without an archive, or allow it by name with a reason',
  ),
  'archive-bomb': broken('unpacking it would fill the disk'),
  'archive-nested': broken('deeply nested archives hide their content from scanners'),
  'archive-path': broken(
    'unpacking it would write outside its folder, or to a name that some systems do not support',
  ),
  'archive-link': broken('unpacking it could write outside its folder, through the link'),
  'archive-device': broken('unpacking it would create a device or a pipe'),
  'archive-cut': broken('a program may already use the content before it reaches the damaged part'),
  'zip-inconsistent': broken(
    'programs disagree about its content: a scanner may see one file, and the server load another',
  ),
  'zip-prefixed': broken('some programs read it as a zip file, and others as something else'),
  'zip-encrypted': broken('its content cannot be examined'),
  'zip-checksum': broken('scanners skip a member with a wrong checksum, but PyTorch loads it'),
  'tar-malformed': broken('programs disagree about which files it contains'),
  'tar-trailing': broken('a program that unpacks it does not see the bytes after its end'),

  'safetensors-length': broken('despite its name, it is not a safetensors file'),
  'safetensors-json': broken('the format does not allow such a header'),
  'safetensors-duplicate': broken(
    'programs disagree about which of two entries with the same name to use',
  ),
  'safetensors-metadata': broken('the format allows only text as metadata'),
  'safetensors-tensor': broken(
    'a tensor whose size does not match its shape reads data of other tensors',
  ),
  'safetensors-offsets': broken('gaps can hide data, and overlapping tensors change each other'),
  'safetensors-size': broken('the file is truncated, or contains data that belongs to no tensor'),
  'safetensors-dtype': explain(
    'this version of stowage does not know the data type, so the sizes of its tensors were not checked',
    'check that the inference server supports the type',
  ),
  'safetensors-alignment': explain(
    'some servers copy such a file into memory instead of mapping it',
    'no action needed',
  ),

  'gguf-magic': broken('despite its name, it is not a GGUF file'),
  'gguf-version': broken('current inference servers do not load this version'),
  'gguf-limit': broken('an excessive count can exhaust the memory of the server that reads it'),
  'gguf-key': broken('programs disagree about which of two entries with the same key to use'),
  'gguf-value': broken('such values have been used to attack GGUF parsers'),
  'gguf-alignment': broken('such an alignment makes servers read the wrong data, or overflow'),
  'gguf-tensor': broken('such tensors have been used to attack GGUF parsers'),
  'gguf-type': explain(
    'this version of stowage does not know the type, so the sizes of its tensors were not checked',
    'check that the inference server supports the type, and allow it by name with a reason',
  ),
  'gguf-offset': broken('gaps can hide data, and overlapping tensors change each other'),
  'gguf-truncated': broken('the file is truncated: the server would fail to load it at the site'),
  'gguf-trailing': explain(
    'no server reads these bytes, so they could hide data',
    'ask the publisher what they are for',
  ),

  'shard-index': broken('the server cannot find all parts of the model'),
  'shard-missing': explain(
    'the server would fail at the site, where it cannot download the missing part',
    'change include and exclude so that every part is selected, or exclude the file that refers to it',
  ),
  'shard-tensor': broken(
    'the server would fail at the site: the index lists a tensor that the part does not contain',
  ),
  'shard-total': explain(
    'the size in the index differs from the size of its parts; servers ignore it',
    'no action needed if the model loads',
  ),

  'remote-code': explain(
    'a server with the option to trust remote code runs this file',
    'review it, or exclude it if the server does not need it',
  ),
  'remote-code-trusted': explain(
    'code from the repository runs in the container, with the permissions of the service',
    'review the files, then allow the rule for them with a reason, or remove --trust-remote-code',
  ),
  'auto-map': explain(
    'the configuration names code that a server loads if it trusts remote code',
    'use a server that supports the architecture natively, without the option to trust remote code',
  ),
  'chat-template': explain(
    'a chat template is a program that shapes every prompt; its hash shows whether it changed',
    'compare it with the previous release',
  ),
  'chat-template-unsafe': explain(
    'such constructs have been used to escape template sandboxes and run commands (CVE-2024-34359)',
    'review the template and allow it by name with a reason, or exclude it and give the server another one',
  ),
  'config-unreadable': explain(
    'it could not be determined what the configuration loads',
    'check that the server can read it',
  ),
  'native-code': explain(
    'model weights do not need programs, and a program could be run by mistake',
    'exclude it, or allow it by name with a reason',
  ),
  'keras-lambda': explain(
    'a Lambda layer is Python code that runs when the model is loaded',
    'use a model without one, or allow it by name with a reason',
  ),
  'onnx-malformed': broken('the server cannot read it, and what it refers to could not be checked'),
  'weights-duplicate': explain(
    'a server loads only one form of the weights: the others cost time, space and media',
    'add the exclude line that lock --explain prints, unless a service needs that form',
  ),
  'onnx-path': broken("the server would read tensors from outside the model's folder"),
  'opaque-weights': explain(
    'the format can contain code, and its content was not examined',
    'exclude it if the server does not need it',
  ),

  'hub-unsafe': explain(
    "the Hub's own scanners report that the file is unsafe",
    "read the report on the file's page on the Hub; exclude the file, or allow it by name with a reason",
  ),
  'hub-scan': explain(
    "the Hub's own scanners report a concern about the file",
    "read the report on the file's page on the Hub",
  ),

  'license-refused': explain(
    'the manifest lists the allowed licenses, and the model has none of them',
    'read the license; if you accept its terms, add it to "licenses" of the model; if the source states none, set "license"',
  ),
  'license-unknown': explain(
    'the terms under which the model may be used are not stated',
    'ask the publisher before you use the model',
  ),
  'license-differs': explain(
    'the source, the manifest and the model card name different licenses',
    'read both, and ask the publisher which one applies',
  ),
  'license-file': explain(
    'this is the license text at the time the model was locked',
    'keep it with the approval',
  ),
  'card-unreadable': explain(
    'the license could not be read from the model card',
    'read the card yourself',
  ),

  'version-unchanged': explain(
    'a site could import two different bundles with one version, and nobody could tell them apart by it',
    'raise "version" in the manifest, and run stowage lock again',
  ),
  'glob-unmatched': explain(
    'a glob that matches nothing is usually a typing error, and the files that it was meant for are missing',
    'correct or remove the glob; as in huggingface_hub, it must match the whole path, and "folder/" matches a folder',
  ),

  'secret-private-key': secret('a private key'),
  'secret-hugging-face-token': secret('a Hugging Face token'),
  'secret-github-token': secret('a GitHub token'),
  'secret-gitlab-token': secret('a GitLab token'),
  'secret-slack-token': secret('a Slack token'),
  'secret-ngc-key': secret('an NGC key'),
  'secret-aws-key': secret('an AWS access key'),
  'secret-google-key': secret('a Google key'),
  'secret-azure-key': secret('an Azure storage key'),
  'secret-openai-key': secret('a key of an inference provider'),
  'secret-json-web-token': secret('a signed web token'),
  'secret-netrc': secret('a password for a host'),
  'secret-registry-login': secret('a registry password'),
  'secret-kubeconfig': secret('a credential for a cluster'),
  'secrets-not-searched': explain(
    'weights and files above 32 MiB were not searched for keys and tokens',
    'no action needed for weights; review the other files yourself',
  ),

  'object-image': explain(
    'pods that an operator starts from this reference cannot be started at the site',
    'add the image under "images" with this reference, name the field under imagePaths, or allow the rule with a reason if no pod needs it',
  ),
  'object-host': explain(
    'a site without a connection cannot reach this host',
    'set the address by a value of the chart, or check that the site works without it',
  ),

  'asset-draft-model': asset(
    'the server downloads a second model at startup, for speculative decoding',
  ),
  'asset-tokenizer': asset('the server downloads a tokenizer or a configuration file at startup'),
  'asset-model': asset(
    'the server is given the name of a model on the Hub, and downloads the model at startup',
  ),
  'asset-vocabulary': asset(
    'the server downloads this vocabulary at the first request; no model repository contains it',
  ),
  'asset-projector': asset('without its projector, the model cannot process images'),
  'asset-base-model': asset('an adapter cannot be used without its base model'),
  'asset-remote-code': asset('the server downloads code from another repository at startup'),
  'asset-module': asset('the model consists of several folders, and one of them is not selected'),
  'asset-kernel': asset('the server downloads compiled kernels at startup'),

  'upstream-signature-failed': explain(
    'the signature does not match these files, or someone else made it',
    'ask the publisher, and require the signature in the manifest',
  ),
  'upstream-signature-absent': explain(
    'without a signature, it cannot be verified that the publisher released these files',
    'ask the publisher for a signature',
  ),
  'attachment-missing': explain(
    'a signature, SBOM or other artifact beside the image could not be read, and is not in the bundle',
    'check it in the registry and lock again; to require a signature, add "signature" to the image',
  ),
  'image-platform': explain(
    'an engine may refuse an image that does not state its os and architecture, or run it on the wrong host',
    'try the image on a host of that platform, and ask the publisher to state it',
  ),
  'image-layers': explain(
    'docker cannot unpack more than 125 layers, and podman cannot run more than 128: max depth exceeded',
    'flatten the image, for example with podman build --squash-all, or require an engine that stacks more',
  ),
  'image-zstd': explain(
    'docker before 23.0 cannot unpack layers that are compressed with zstd',
    'require docker 23.0 or later in "requires", or use an image with gzip layers for older sites',
  ),
  'service-user': explain(
    'a Python server such as vLLM may fail to start without a writable home folder and a user name (getpwuid(): uid not found)',
    'add the lines that lock --explain prints to the manifest',
  ),
  'upstream-signer-any': explain(
    'any holder of a certificate under that root could have made the signature',
    'add the identity of the signer to the manifest',
  ),
  'upstream-log-unchecked': explain(
    'the time of the signature was not verified',
    "add the log's key to the manifest",
  ),
  'upstream-file-unsigned': explain(
    "the publisher's signature does not cover the file",
    'exclude it if the server does not need it',
  ),

  'examine-limit': broken(
    'a file that needs so many resources to read may be designed to exhaust them',
  ),
};
