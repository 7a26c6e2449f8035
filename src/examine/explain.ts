import type { Rule } from '../format/finding.ts';

/** Why a rule matters, in one sentence, and what a person does about it. */
export interface Explanation {
  readonly why: string;
  readonly remedy: string;
}

const OTHER_FORMAT = 'exclude the file, or take a repository with safetensors or GGUF';
const NEW_DOWNLOAD = 'take the file from another commit or repository, and tell who published it';
const NEW_SECRET = 'take it out of what is packed, and consider it known: make a new one';
const ADD_ASSET =
  'add the lines that lock --explain prints to the manifest, or say in the service that it needs none';

const explain = (why: string, remedy: string): Explanation => ({ why, remedy });
const pickle = (why: string): Explanation => explain(why, OTHER_FORMAT);
const broken = (why: string): Explanation => explain(why, NEW_DOWNLOAD);
const secret = (what: string): Explanation =>
  explain(`${what} in a bundle belongs to everyone on its way`, NEW_SECRET);
const asset = (why: string): Explanation => explain(why, ADD_ASSET);

export const explanations: Readonly<Record<Rule, Explanation>> = {
  pickle: pickle('loading a pickle runs the program that it holds'),
  'pickle-global': pickle('the pickle imports something that weights do not need, and can run it'),
  'pickle-global-unknown': pickle('nobody can tell what the pickle will import'),
  'pickle-extension-code': pickle('what an extension code imports stands outside the pickle'),
  'pickle-call': pickle('the pickle calls or changes something that no list can name'),
  'pickle-persistent-id': pickle('the loader is asked for an object that is not in the file'),
  'pickle-broken': pickle('a pickle that breaks off has run by then, and scanners give up on it'),
  'pickle-trailing': pickle('bytes behind a pickle hide from whoever reads one pickle'),
  'npy-malformed': broken('a reader that goes by another rule sees other content'),

  'archive-opaque': explain(
    'what is in it was not looked at',
    'unpack it before it is published, exclude it, or allow it by name with a reason',
  ),
  'archive-too-large': explain(
    'what is in it was not looked at, as it does not fit into memory',
    'unpack it before it is published, exclude it, or allow it by name with a reason',
  ),
  'archive-bomb': broken('unpacking it fills a disk'),
  'archive-nested': broken('archives in archives in archives hide what is in them'),
  'archive-path': broken(
    'unpacking it writes outside its folder, or to a name that some systems cannot hold',
  ),
  'archive-link': broken('unpacking it writes where the link leads'),
  'archive-device': broken('unpacking it makes a device or a pipe'),
  'archive-cut': broken('what was unpacked until the defect may have run by then'),
  'zip-inconsistent': broken(
    'programs that open it see different files: one is shown, another is loaded',
  ),
  'zip-prefixed': broken('it is a zip to some programs and something else to others'),
  'zip-encrypted': broken('what is in it cannot be looked at'),
  'zip-checksum': broken('scanners skip a member with a wrong checksum, and PyTorch loads it'),
  'tar-malformed': broken('programs that open it see different files'),
  'tar-trailing': broken('bytes behind the end of an archive hide from whoever unpacks it'),

  'safetensors-length': broken('the file is no safetensors file, whatever its name says'),
  'safetensors-json': broken('the header is not what the format allows'),
  'safetensors-duplicate': broken('readers differ on which of two equal names counts'),
  'safetensors-metadata': broken('metadata of safetensors are text only'),
  'safetensors-tensor': broken(
    'a tensor of another size than its shape says reads what is not its own',
  ),
  'safetensors-offsets': broken('holes hide bytes, and overlaps make one tensor change another'),
  'safetensors-size': broken(
    'a file that is longer or shorter than its tensors is cut, or hides something',
  ),
  'safetensors-dtype': explain(
    'the type is newer than this version, so the sizes of its tensors were not checked',
    'see that the inference server knows the type',
  ),
  'safetensors-alignment': explain(
    'some servers copy such a file instead of mapping it',
    'nothing',
  ),

  'gguf-magic': broken('the file is no GGUF file, whatever its name says'),
  'gguf-version': broken("today's servers do not load this version"),
  'gguf-limit': broken('a count beyond reason exhausts the memory of the server that reads it'),
  'gguf-key': broken('readers differ on which of two equal keys counts'),
  'gguf-value': broken('parsers of GGUF have been taken over by such values'),
  'gguf-alignment': broken('data at such places are read wrongly, or by an overflow'),
  'gguf-tensor': broken('parsers of GGUF have been taken over by such tensors'),
  'gguf-type': explain(
    'the size of such a tensor is not known, so it was not checked',
    'see that the inference server knows the type, and allow it by name with a reason',
  ),
  'gguf-offset': broken('holes hide bytes, and overlaps make one tensor change another'),
  'gguf-truncated': broken('the server fails at the site, after the file crossed the gap'),
  'gguf-trailing': explain(
    'no server reads these bytes',
    'ask who published the file what they are',
  ),

  'shard-index': broken('the server cannot find the parts of the model'),
  'shard-missing': explain(
    'the server fails at the site, where the missing part cannot be fetched',
    'mend include and exclude so that every part is taken, or exclude the index as well',
  ),
  'shard-tensor': broken(
    'the server fails at the site: the index promises what the part does not hold',
  ),
  'shard-total': explain(
    'the index says another size than its parts have; servers pass over it',
    'nothing, where the model is known to load',
  ),

  'remote-code': explain(
    'a server that is told to trust remote code runs this file',
    'read it, or exclude it where the server does not need it',
  ),
  'remote-code-trusted': explain(
    'code from the repository runs in the container, with the rights of the service',
    'read the files, then allow the rule for them with a reason, or take --trust-remote-code out',
  ),
  'auto-map': explain(
    'the configuration names code that a server loads when it trusts remote code',
    'use a server that knows the architecture itself, and do not tell it to trust remote code',
  ),
  'chat-template': explain(
    'a chat template is a program that shapes every prompt; its hash tells when it changed',
    'compare it with the one of the release before',
  ),
  'chat-template-unsafe': explain(
    'such constructs have broken out of template sandboxes and run commands (CVE-2024-34359)',
    'read the template, and allow it by name with a reason, or exclude it and give the server another',
  ),
  'config-unreadable': explain(
    'what the configuration would load could not be told',
    'see that the server can read it',
  ),
  'native-code': explain(
    'a program among weights runs with the rights of whoever starts it',
    'exclude it, or allow it by name with a reason',
  ),
  'keras-lambda': explain(
    'a Lambda layer is Python code that runs when the model is loaded',
    'take a model without it, or allow it by name with a reason',
  ),
  'onnx-path': broken("the server would read its tensors from outside the model's folder"),
  'opaque-weights': explain(
    'the format can hold code, and what is in it was not looked at',
    'exclude it where the server does not need it',
  ),

  'hub-unsafe': explain(
    "the Hub's own scanners found something harmful in the file",
    "read what they found on the file's page at the Hub; exclude the file, or allow it by name with a reason",
  ),
  'hub-scan': explain(
    "the Hub's own scanners have a word against the file",
    "read what they say on the file's page at the Hub",
  ),

  'license-refused': explain(
    'the manifest lists the licences that may cross, and this is none of them',
    'read the licence and, if the model may be used under it, add it to licenses',
  ),
  'license-unknown': explain(
    'nobody said under which terms the model may be used',
    'ask who published it, before it is used',
  ),
  'license-differs': explain(
    'the Hub and the model card name different licences',
    'read both, and ask who published it',
  ),
  'license-file': explain(
    'the terms as they were when the model was locked',
    'keep it with the approval',
  ),
  'card-unreadable': explain('the licence in the card could not be told', 'read the card'),

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
    'files of numbers and those above 32 MiB were not searched for keys and tokens',
    'nothing, where they are weights',
  ),

  'asset-draft-model': asset(
    'the server fetches a second model at its start, to draft for the first',
  ),
  'asset-tokenizer': asset(
    'the server fetches a tokenizer or a configuration from elsewhere at its start',
  ),
  'asset-model': asset(
    'the server is told a model by its name on the Hub, and fetches it at its start',
  ),
  'asset-vocabulary': asset(
    'the server fetches this vocabulary at its first request: it is in no model repository',
  ),
  'asset-projector': asset('without its projector the model sees no pictures'),
  'asset-base-model': asset('an adapter is nothing without the model that it adapts'),
  'asset-remote-code': asset('the configuration loads code from another repository at the start'),
  'asset-module': asset('the model is put together from folders, and one of them is not taken'),
  'asset-kernel': asset('the server fetches compiled kernels at its start'),

  'upstream-signature-failed': explain(
    'what the publisher signed is not what would cross, or another signed it',
    'ask the publisher, and require the signature in the manifest',
  ),
  'upstream-signature-absent': explain(
    'nobody can tell whether this is what its publisher released',
    'ask the publisher for a signature',
  ),
  'upstream-signer-any': explain(
    'whoever has a certificate under that root could have signed it',
    'name the identity of the signer in the manifest',
  ),
  'upstream-log-unchecked': explain(
    'when the signature was made is not known',
    "give the log's key in the manifest",
  ),
  'upstream-file-unsigned': explain(
    'the publisher left the file out of the signature',
    'exclude it, where the server does not need it',
  ),

  'examine-limit': broken(
    'a file that takes so much to examine is made to exhaust whoever reads it',
  ),
};
